import { WebMlaError } from '../core/errors.ts';

/** A GPU device with what the rest of webmla needs to know about it. Made once per engine. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly info: GpuInfo;
  /** Resolves (never rejects) when the device is gone, with the error that every later call will throw. */
  readonly lost: Promise<WebMlaError>;
  /** Set once the device is gone or a GPU error that nobody awaited was reported. */
  failure(): WebMlaError | undefined;
}

export interface GpuInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** True for SwiftShader, lavapipe and the like: right, but slow. */
  readonly software: boolean;
  readonly features: readonly string[];
  /** Threads that a subgroup has at least; 0: no subgroups. */
  readonly subgroupSize: number;
  /** dot4I8Packed, which Chromium and Firefox have. */
  readonly packedDot: boolean;
}

/** Kernels stay within WebGPU's default of 8 storage buffers; memory limits are taken as high as the adapter offers. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
] as const;

/** Taken where they are offered: measurements need the first, and the second makes decoding faster. */
const OPTIONAL_FEATURES = ['timestamp-query', 'subgroups'] as const;

const NO_WEBGPU_HINT =
  'Use a browser with WebGPU (Chrome or Edge 113+, Safari 26+, Firefox 141+) over https or localhost, with hardware acceleration on.';

/**
 * The adapter that openGpu takes.
 * @param gpu navigator.gpu, or what Dawn for Node offers
 * @throws WebMlaError `no_webgpu`
 */
export async function findAdapter(
  gpu: GPU | undefined,
): Promise<{ readonly adapter: GPUAdapter; readonly info: GpuInfo }> {
  if (!gpu) throw new WebMlaError('no_webgpu', 'WebGPU: expected navigator.gpu, got nothing', NO_WEBGPU_HINT);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new WebMlaError('no_webgpu', 'WebGPU: expected an adapter, got none', NO_WEBGPU_HINT);
  }
  return { adapter, info: describe(adapter, gpu) };
}

/** @throws WebMlaError `no_webgpu` */
export async function openGpu(gpu: GPU | undefined): Promise<Gpu> {
  const { adapter, info } = await findAdapter(gpu);
  const requiredLimits: Record<string, number> = {};
  for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredLimits,
      requiredFeatures: OPTIONAL_FEATURES.filter((name) => adapter.features.has(name)),
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new WebMlaError(
      'no_webgpu',
      `WebGPU: expected a device, got: ${message}`,
      NO_WEBGPU_HINT,
      {},
      error,
    );
  }
  let failure: WebMlaError | undefined;
  const lost = device.lost.then(({ reason, message }) => {
    failure ??= new WebMlaError(
      'device_lost',
      `GPU device: expected to stay, got lost (${reason})${message ? `: ${message}` : ''}`,
      'Create the engine again. If it happens at once, use a smaller model or contextLength.',
      { reason },
    );
    return failure;
  });
  device.addEventListener('uncapturederror', ({ error }) => {
    failure ??= new WebMlaError(
      'internal',
      `GPU error: ${error.message}`,
      'This is a bug in webmla: please report it.',
    );
  });
  return { device, info, lost, failure: () => failure };
}

function describe(adapter: GPUAdapter, gpu: GPU): GpuInfo {
  const { vendor, architecture, description, device } = adapter.info;
  const text = `${vendor} ${architecture} ${description} ${device}`.toLowerCase();
  return {
    vendor,
    architecture,
    description,
    software: adapter.info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software/.test(text),
    features: [...adapter.features].toSorted(),
    subgroupSize: adapter.features.has('subgroups') ? (adapter.info.subgroupMinSize ?? 0) : 0,
    // The first browsers with WebGPU had no such set.
    packedDot:
      'wgslLanguageFeatures' in gpu && gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product'),
  };
}
