import source from '../../shaders/stream_read.wgsl?raw';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';

export interface StreamReadDims {
  /** vec4f of the buffer. */
  readonly quads: number;
  /** Threads that share the reading; a multiple of 256. */
  readonly threads: number;
}

/** Reads a buffer as fast as it can be read: the streaming limit that other kernels are held against. */
export const stream_read = defineKernel({
  name: 'stream_read',
  source,
  includes: [],
  parts: {},
  constants: ({ quads, threads }: StreamReadDims) => ({ quads: u32(quads), threads: u32(threads) }),
  bindings: ({ quads, threads }) => ({ data: readonly(quads * 16), out: writable(threads * 4) }),
  grid: ({ threads }) => [Math.ceil(threads / 256), 1, 1],
  bytesMoved: ({ quads }) => quads * 16,
});
