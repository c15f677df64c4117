import { afterAll, describe, expect, test } from 'vitest';
import { KERNEL_NAMES } from '../../src/kernels/index.ts';
import { CASES } from '../../src/verify/cases.ts';
import { casesLeftOut, verifyKernels } from '../../src/verify/run.ts';
import { fullRun } from '../models.ts';
import { testGpu } from './dawn.ts';

/** Firefox runs every case but those of this one, and lavapipe compiles much faster than SwiftShader. */
const HERE_ONLY = 'attention_decode';

const FOR_LARGE_SUBGROUPS: Readonly<Record<string, number>> = { attention_decode: 8, matvec: 18 };

describe('every kernel equals its CPU twin (of many cases every second, which Firefox has all of; WEBMLA_FULL=1: all)', () => {
  test.each(KERNEL_NAMES)('%s', async (name) => {
    const { device } = await testGpu();
    const few = CASES[name]().length <= 8;
    const every = fullRun || few || name === HERE_ONLY ? 1 : 2;
    const results = await verifyKernels(device, [name], undefined, every);
    expect(results.length).toBeGreaterThan(1);
    // SwiftShader's subgroups are of 4: what larger ones are for runs on real GPUs.
    expect(casesLeftOut(name, device)).toBe(FOR_LARGE_SUBGROUPS[name] ?? 0);
    const failed = results.filter((r) => !r.passed);
    expect(failed.map((r) => `${r.case}: ${r.worst}, error ${r.error} > ${r.tolerance}`)).toEqual([]);
  });

  afterAll(async () => {
    const gpu = await testGpu();
    expect(gpu.failure()).toBeUndefined();
  });
});
