import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import { openGpu } from '../gpu/device.ts';
import type { GpuInfo } from '../gpu/device.ts';
import { KERNEL_NAMES } from '../kernels/index.ts';
import type { KernelName } from '../kernels/index.ts';
import { casesLeftOut, verifyKernels } from './run.ts';
import type { CaseResult } from './run.ts';

export interface Verification {
  readonly adapter: GpuInfo;
  /** All that are asked for, in the order they are verified in. */
  readonly kernels: readonly KernelName[];
  /** Cases of the kernel at hand: done so far, and in all; 0 and 0 when it has just begun. */
  readonly now: { readonly kernel: KernelName; readonly done: number; readonly total: number } | null;
  readonly cases: readonly CaseResult[];
  /** Cases that need larger subgroups than this device has, of kernels so far; it uses other kernels instead. */
  readonly leftOut: Readonly<Partial<Record<KernelName, number>>>;
}

/**
 * Opens the GPU and verifies kernels on it.
 * @param names all kernels where it is null
 * @throws WebMlaError `no_webgpu`, `bad_request` (a kernel that there is not), `aborted`, `device_lost`
 */
export async function verifyDevice(
  webgpu: GPU | undefined,
  names: readonly string[] | null,
  onProgress: (soFar: Verification) => void,
  signal: AbortSignal,
): Promise<Verification> {
  const kernels = names === null ? KERNEL_NAMES : names.map(kernelNamed);
  const gpu = await openGpu(webgpu);
  const cases: CaseResult[] = [];
  const leftOut: Partial<Record<KernelName, number>> = {};
  const soFar = (now: Verification['now']): Verification => ({
    adapter: gpu.info,
    kernels,
    now,
    cases: [...cases],
    leftOut: { ...leftOut },
  });
  try {
    for (const kernel of kernels) {
      const missing = casesLeftOut(kernel, gpu.device);
      if (missing > 0) leftOut[kernel] = missing;
      onProgress(soFar({ kernel, done: 0, total: 0 }));
      await verifyKernels(gpu.device, [kernel], (result, done, total) => {
        throwIfAborted(signal);
        const failure = gpu.failure();
        if (failure) throw failure;
        cases.push(result);
        onProgress(soFar({ kernel, done, total }));
      });
    }
    return soFar(null);
  } finally {
    gpu.device.destroy();
  }
}

function kernelNamed(name: string): KernelName {
  const kernel = KERNEL_NAMES.find((one) => one === name);
  if (kernel) return kernel;
  throw new WebMlaError(
    'bad_request',
    `kernels: expected names of kernels, got ${JSON.stringify(name.slice(0, 60))}`,
    `There are ${KERNEL_NAMES.join(', ')}.`,
  );
}
