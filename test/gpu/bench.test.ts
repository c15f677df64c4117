import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { bench } from '../../src/runtime/bench.ts';
import { RandomDecoder } from '../../src/runtime/random_decoder.ts';

/** Forms that shrink the cache, with random weights in them. */

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
/** Of a token of the fixture: 2 layers, 2 heads of 8 keys and 8 values. */
const GQA_BYTES = 2 * 2 * 16 * 2;

test('reuse with an int4 cache runs, and is as large as it was asked to be', async () => {
  const [form, cacheDtype, kvBudget] = ['reuse', 'int4', 0.5] as const;
  const { config } = await openCheckpoint(await openNodeFiles(FIXTURE));
  const source = new RandomDecoder(config, 'q4_0', { form, kvBudget, cacheDtype });
  const { rows, prefill } = await bench(source, await openDawn(), {
    attention: 'mla',
    cacheDtype,
    contexts: [8],
    prefill: [6],
  });
  expect(rows).toMatchObject([{ attention: 'mla', form, cacheDtype, context: 8 }]);
  expect(rows[0]?.decodeTokensPerSecond).toBeGreaterThan(0);
  expect(rows[0]?.runsTokensPerSecond).toHaveLength(3);
  expect(rows[0]?.kvBytesPerToken).toBeLessThanOrEqual(kvBudget * GQA_BYTES);
  expect(rows[0]?.kvBytesPerToken).toBeGreaterThan(0.6 * kvBudget * GQA_BYTES);
  expect(prefill[0]?.tokensPerSecond).toBeGreaterThan(0);
});
