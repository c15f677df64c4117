import type { LocalEngine } from '../src/runtime/engine.ts';
import type { GoldenSubject } from './golden_check.ts';

const MOST_SEQUENCES = 5;

/** An engine made with promptLogits, as what goldens are held against. Runs in Node and in a page alike. */
export function engineSubject(engine: LocalEngine): GoldenSubject {
  const rows = new Map<string, Float32Array[]>();
  return {
    async greedy(prompt, count) {
      const ids: number[] = [];
      const request = {
        prompt,
        max_tokens: count,
        temperature: 0,
        repetition_penalty: 1,
        ignore_eos: true,
        stream: true,
      };
      for await (const chunk of engine.complete(request)) ids.push(...(chunk.webmla.token_ids ?? []));
      return ids;
    },
    async logits(ids, positions) {
      const key = ids.join(',');
      const known = rows.get(key) ?? (await promptRows(engine, ids));
      // The latest few: 256 rows of 49,152 are 50 MB.
      rows.delete(key);
      rows.set(key, known);
      for (const old of [...rows.keys()].slice(0, -MOST_SEQUENCES)) rows.delete(old);
      return positions.map((position) => known[position] ?? new Float32Array(0));
    },
  };
}

async function promptRows(engine: LocalEngine, ids: readonly number[]): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  const request = {
    prompt: ids,
    max_tokens: 1,
    temperature: 0,
    repetition_penalty: 1,
    ignore_eos: true,
    stream: true,
  };
  const collect = {
    prompt(block: Float32Array, position: number, vocabSize: number) {
      for (let t = 0; t * vocabSize < block.length; t++) {
        found[position + t] = block.subarray(t * vocabSize, (t + 1) * vocabSize);
      }
    },
    step() {},
  };
  for await (const chunk of engine.complete(request, undefined, collect)) void chunk;
  return found;
}
