/**
 * Counter-based random numbers: the same (seed, position, index) gives the same number on the CPU and in WGSL, in any order.
 * pcg3d of Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
 */

/** @returns first word of pcg3d(x, y, z): 32 random bits */
export function pcg3d(x: number, y: number, z: number): number {
  let a = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  let b = (Math.imul(y, 1664525) + 1013904223) >>> 0;
  let c = (Math.imul(z, 1664525) + 1013904223) >>> 0;
  a = (a + Math.imul(b, c)) >>> 0;
  b = (b + Math.imul(c, a)) >>> 0;
  c = (c + Math.imul(a, b)) >>> 0;
  a = (a ^ (a >>> 16)) >>> 0;
  b = (b ^ (b >>> 16)) >>> 0;
  c = (c ^ (c >>> 16)) >>> 0;
  return (a + Math.imul(b, c)) >>> 0;
}

/** A uniform number in (0, 1), never 0 and never 1, with 23 bits: exact in f32. */
export function uniform(seed: number, position: number, index: number): number {
  return ((pcg3d(seed, position, index) >>> 9) + 0.5) * 2 ** -23;
}

/** A stream of uniform numbers for tests and fixtures: uniform(seed, 0, 0), (seed, 0, 1), ... */
export function randomStream(seed: number): () => number {
  let index = 0;
  return () => uniform(seed, 0, index++);
}
