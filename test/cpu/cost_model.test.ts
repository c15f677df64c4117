import { expect, test } from 'vitest';
import { crossoverContext, decodeSeconds, ratesOf } from '../../src/model/cost_model.ts';

const rates = { bytesPerSecond: 1e9, dispatchSeconds: 1e-5 };
const gqa = { weightBytes: 1e6, kvBytesPerToken: 1000, dispatches: 100 };
const latent = { weightBytes: 1.2e6, kvBytesPerToken: 250, dispatches: 130 };

test('bytes at the rate of the stream, and a constant for each dispatch', () => {
  expect(decodeSeconds(gqa, 0, rates)).toBeCloseTo(0.002, 12);
  expect(decodeSeconds(gqa, 3000, rates)).toBeCloseTo(0.005, 12);
});

test('rates that explain a token that was timed', () => {
  const seconds = decodeSeconds(gqa, 500, rates);
  expect(ratesOf(gqa, 500, 1e9, seconds).dispatchSeconds).toBeCloseTo(1e-5, 12);
  // A token faster than its bytes: dispatches cost nothing then, and not less.
  expect(ratesOf(gqa, 500, 1e9, 1e-6).dispatchSeconds).toBe(0);
});

test('the first context at which the smaller cache is faster', () => {
  const at = crossoverContext(gqa, latent, rates)!;
  expect(decodeSeconds(latent, at, rates)).toBeLessThan(decodeSeconds(gqa, at, rates));
  expect(decodeSeconds(latent, at - 1, rates)).toBeGreaterThanOrEqual(decodeSeconds(gqa, at - 1, rates));
  expect(crossoverContext(gqa, { ...latent, kvBytesPerToken: 1000 }, rates)).toBeNull();
  expect(crossoverContext(latent, gqa, rates)).toBeNull();
  expect(crossoverContext(gqa, { ...gqa, dispatches: 90 }, rates)).toBe(0);
});
