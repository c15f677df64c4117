import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { convertExact } from '../../src/convert/exact.ts';
import { runModel } from '../../src/reference/model.ts';
import { readGolden } from '../goldens.ts';
import { readDecoder } from '../layers.ts';
import { modelTest } from '../models.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < b.length; i++) most = Math.max(most, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
  return most;
}

/** The oracle in its three forms against transformers' logits, and the forms against each other. */
async function check(folder: string, most: number): Promise<void> {
  const { config, layers, ends } = await readDecoder(folder);
  const golden = readGolden(folder);
  const [first] = golden.logits;
  if (!first) throw new Error(`${folder}: no golden logits`);
  const ids = first.ids.slice(0, most);
  const gqa = runModel(config, ends, layers, ids, 'gqa');
  const checks = golden.logits.filter((one) => one.ids === first.ids && one.position < ids.length);
  expect(checks.length).toBeGreaterThan(5);
  for (const { position, values } of checks) {
    for (const [id, want] of values) expect(gqa[position * config.vocab_size + id]).toBeCloseTo(want, 3);
  }
  const converted = layers.map((layer, i) => {
    const { attention, report } = convertExact(config, i, layer.self_attn);
    expect(report.mlaValues).toBe(report.gqaValues);
    return { ...layer, self_attn: attention };
  });
  const naive = runModel(config, ends, converted, ids, 'naive');
  const absorbed = runModel(config, ends, converted, ids, 'absorbed');
  const scale = Math.max(...gqa.map(Math.abs));
  expect(worst(naive, gqa) / scale).toBeLessThan(1e-6);
  expect(worst(absorbed, gqa) / scale).toBeLessThan(1e-6);
}

describe('the oracle equals transformers, and lossless MLA equals GQA in naive and absorbed form', () => {
  test.each(readdirSync(fixtures))('%s', async (name) => check(join(fixtures, name), 40));
  for (const name of [
    'stories260K',
    'TinyStories-656K',
    'stories-tok105',
    'tiny-random/llama',
    'tiny-random/qwen2',
  ]) {
    modelTest(name, (models) => check(join(models, name), 32));
  }
});
