import type { Gpu } from '../gpu/device.ts';

/** Steps in flight where readback is prompt, and where the browser looks only every 100 ms (Firefox). */
const PROMPT_DEPTH = 3;
const SLOW_DEPTH = 16;
const SLOW_MS = 20;

/**
 * How many steps to keep in flight on this browser: measured, since it depends on how often the browser looks for finished
 * readbacks and on nothing that it would tell.
 */
export async function measureDepth({ device }: Gpu): Promise<number> {
  const buffer = device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  try {
    let quickest = Infinity;
    for (let i = 0; i < 3; i++) {
      const started = performance.now();
      await buffer.mapAsync(GPUMapMode.READ);
      buffer.unmap();
      quickest = Math.min(quickest, performance.now() - started);
    }
    return quickest > SLOW_MS ? SLOW_DEPTH : PROMPT_DEPTH;
  } finally {
    buffer.destroy();
  }
}
