import { verifyDevice } from '../../verify/verify_device.ts';
import type { Verification } from '../../verify/verify_device.ts';
import { serveJob } from '../job_worker.ts';

export interface VerifyJob {
  /** Kernels; null is all. */
  readonly request: readonly string[] | null;
  readonly progress: Verification;
  readonly result: Verification;
}

serveJob<VerifyJob>((kernels, onProgress, signal) =>
  verifyDevice(navigator.gpu, kernels, onProgress, signal),
);
