import { linearOf } from '../../src/convert/linear_weights.ts';
import { matrixOf } from '../../src/convert/linalg/matrix.ts';
import { multiplyTransposed } from '../../src/convert/linalg/multiply.ts';
import { randomStream } from '../../src/core/rng.ts';
import { LayerPool } from '../../src/runtime/layer_pool.ts';
import type { LayerTask } from '../../src/runtime/layer_task.ts';
import { layerThreads } from '../../src/worker/layer_threads.ts';

/** Converts a made-up layer on this page and on workers. */

const [GROUPS, HEAD_DIM, HIDDEN] = [2, 8, 16];
const WIDTH = GROUPS * HEAD_DIM;
const next = randomStream(3);

const linear = (rows: number, cols: number): LayerTask['attention']['q_proj'] =>
  linearOf(
    matrixOf(rows, cols, () => next() - 0.5),
    null,
  );

function gram(size: number): Float64Array {
  const x = matrixOf(size, 2 * size, () => next() - 0.5);
  return multiplyTransposed(x, x).data;
}

function madeUpTask(): LayerTask {
  const moments = { weight: 1, mean: new Float64Array(2 * WIDTH).fill(0.1), second: gram(2 * WIDTH) };
  const queries = Float64Array.of(...gram(HEAD_DIM), ...gram(HEAD_DIM));
  return {
    config: {
      num_attention_heads: GROUPS,
      num_key_value_heads: GROUPS,
      head_dim: HEAD_DIM,
      rope_scaling: { rope_type: 'default' },
    },
    layer: 0,
    attention: {
      form: 'gqa',
      q_proj: linear(WIDTH, HIDDEN),
      k_proj: linear(WIDTH, HIDDEN),
      v_proj: linear(WIDTH, HIDDEN),
      o_proj: linear(HIDDEN, WIDTH),
    },
    statistics: {
      tokens: 100,
      plain: moments,
      attended: moments,
      queries,
      spreadQueries: queries,
      spread: new Float64Array(GROUPS).fill(1),
      rotation: new Float64Array(WIDTH).fill(0.3),
    },
    method: { method: 'webmla', form: 'reuse', row_dim: 16 },
    options: {},
  };
}

/** @returns answers that came of threads, and how many layers are those of this page */
async function convertOnThreads(): Promise<{ answers: number; same: number }> {
  if (!layerThreads) throw new Error('expected threads, got none');
  const threads = layerThreads;
  let answers = 0;
  const counting = {
    cores: 3,
    start: () => {
      const thread = threads.start();
      return {
        run: async (task: LayerTask) => {
          const answer = await thread.run(task);
          answers++;
          return answer;
        },
        end: () => thread.end(),
      };
    },
  };
  const task = madeUpTask();
  const textOf = (value: unknown): string =>
    JSON.stringify(value, (_, x: unknown) =>
      ArrayBuffer.isView(x) ? Array.from(new Uint8Array(x.buffer)) : x,
    );
  const own = await new LayerPool(null, 1).make(task);
  const pool = new LayerPool(counting, 5);
  const made = await Promise.all(Array.from({ length: 5 }, () => pool.make(task)));
  pool.end();
  return { answers, same: made.filter((one) => textOf(one.attention) === textOf(own.attention)).length };
}

Object.assign(globalThis, { convertOnThreads });
