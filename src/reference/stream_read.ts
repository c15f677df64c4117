import { at } from './at.ts';

/** Sums of the floats that each thread reads: quads i, i + threads, i + 2 threads, ... */
export function stream_read(data: Float32Array, threads: number): Float32Array {
  const out = new Float32Array(threads);
  for (let i = 0; i < data.length; i++) {
    const thread = Math.floor(i / 4) % threads;
    out[thread] = at(out, thread) + at(data, i);
  }
  return out;
}
