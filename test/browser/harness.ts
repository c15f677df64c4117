import { openModelFiles } from '../../src/formats/open_model_files.ts';
import { openGpu } from '../../src/gpu/device.ts';
import { KERNEL_NAMES } from '../../src/kernels/index.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import type { LocalEngineOptions } from '../../src/runtime/engine.ts';
import { verifyKernels } from '../../src/verify/run.ts';
import type { CaseResult } from '../../src/verify/run.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import type { GoldenEffort, GoldenReport } from '../golden_check.ts';
import type { Golden } from '../goldens.ts';

/** What the tests run inside a page: the same checks as on Dawn. Bundled by bundle_harness.ts. */

export interface Harness {
  /** @param every see verifyKernels */
  kernels(every?: number): Promise<CaseResult[]>;
  golden(
    model: string,
    golden: Golden,
    options: Pick<LocalEngineOptions, 'attention' | 'weights' | 'cacheDtype' | 'contextLength'>,
    effort?: GoldenEffort,
  ): Promise<GoldenReport>;
}

const harness: Harness = {
  async kernels(every) {
    const gpu = await openGpu(navigator.gpu);
    const results = await verifyKernels(gpu.device, KERNEL_NAMES, undefined, every);
    const failure = gpu.failure();
    if (failure) throw failure;
    return results;
  },
  async golden(model, golden, options, effort) {
    const files = await openModelFiles(model, { store: null });
    const engine = await LocalEngine.create({ ...options, files, gpu: navigator.gpu, promptLogits: true });
    try {
      return await checkGolden(golden, engineSubject(engine), effort);
    } finally {
      engine.dispose();
    }
  },
};

Object.assign(globalThis, { harness });
