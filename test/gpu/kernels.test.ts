import { afterAll, describe, expect, test } from 'vitest';
import { KERNEL_NAMES } from '../../src/kernels/index.ts';
import { casesLeftOut, verifyKernels } from '../../src/verify/run.ts';
import { testGpu } from './dawn.ts';

describe('every kernel equals its CPU twin', () => {
  test.each(KERNEL_NAMES)('%s', async (name) => {
    const { device } = await testGpu();
    const results = await verifyKernels(device, [name]);
    expect(results.length).toBeGreaterThan(1);
    // SwiftShader's subgroups are of 4: what larger ones are for runs on real GPUs.
    expect(casesLeftOut(name, device)).toBe(name === 'attention_decode' ? 4 : 0);
    const failed = results.filter((r) => !r.passed);
    expect(failed.map((r) => `${r.case}: ${r.worst}, error ${r.error} > ${r.tolerance}`)).toEqual([]);
  });

  afterAll(async () => {
    const gpu = await testGpu();
    expect(gpu.failure()).toBeUndefined();
  });
});
