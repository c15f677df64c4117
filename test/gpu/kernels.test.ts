import { afterAll, describe, expect, test } from 'vitest';
import { KERNEL_NAMES } from '../../src/kernels/index.ts';
import { verifyKernels } from '../../src/verify/run.ts';
import { testGpu } from './dawn.ts';

describe('every kernel equals its CPU twin', () => {
  test.each(KERNEL_NAMES)('%s', async (name) => {
    const { device } = await testGpu();
    const results = await verifyKernels(device, [name]);
    expect(results.length).toBeGreaterThan(1);
    const failed = results.filter((r) => !r.passed);
    expect(failed.map((r) => `${r.case}: ${r.worst}, error ${r.error} > ${r.tolerance}`)).toEqual([]);
  });

  afterAll(async () => {
    const gpu = await testGpu();
    expect(gpu.failure()).toBeUndefined();
  });
});
