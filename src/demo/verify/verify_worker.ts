import { verifyDevice } from '../../verify/verify_device.ts';
import type { Verification } from '../../verify/verify_device.ts';
import { serveJob } from '../job_worker.ts';

export interface VerifyRequest {
  /** null: all. */
  readonly kernels: readonly string[] | null;
}

serveJob<VerifyRequest, Verification, Verification>(({ kernels }, onProgress, signal) =>
  verifyDevice(navigator.gpu, kernels, onProgress, signal),
);
