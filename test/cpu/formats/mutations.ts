import * as fc from 'fast-check';

/** Ways to damage a file, for the fuzz tests. */

export type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bits: number }
  | { readonly kind: 'put'; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: 'remove'; readonly at: number; readonly count: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'append'; readonly count: number };

/** 32- and 64-bit little-endian numbers that readers stumble over. */
const EXTREMES: readonly (readonly number[])[] = [
  [0, 0, 0, 0],
  [1, 0, 0, 0],
  [255, 255, 255, 255],
  [255, 255, 255, 127],
  [0, 0, 0, 128],
  [0, 0, 0, 0, 0, 0, 0, 0],
  [255, 255, 255, 255, 255, 255, 255, 255],
  [255, 255, 255, 255, 255, 255, 255, 127],
  [0, 0, 0, 0, 0, 0, 0, 128],
  // 2^53, 2^32, 2^20, 1,000,000,000
  [0, 0, 0, 0, 0, 0, 32, 0],
  [0, 0, 0, 0, 1, 0, 0, 0],
  [0, 0, 16, 0, 0, 0, 0, 0],
  [0, 202, 154, 59, 0, 0, 0, 0],
];

/**
 * One to four mutations of a file: of three quarters mostly in the header, where all decisions are made, of the rest in
 * the data alone, which leaves a sound file of other numbers.
 * @param header bytes of the header; @param size bytes of the file
 */
export function mutations(header: number, size: number): fc.Arbitrary<readonly Mutation[]> {
  const at = fc.oneof(
    { weight: 4, arbitrary: fc.nat(header - 1) },
    { weight: 1, arbitrary: fc.nat(size - 1) },
  );
  const bytes = fc.oneof(
    fc.constantFrom(...EXTREMES),
    fc.array(fc.nat(255), { minLength: 1, maxLength: 12 }),
  );
  const anywhere = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at, bits: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('put' as const), at, bytes }),
    fc.record({ kind: fc.constant('insert' as const), at, bytes }),
    fc.record({ kind: fc.constant('remove' as const), at, count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('cut' as const), at }),
    fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 100 }) }),
  );
  const inData = fc.record({
    kind: fc.constant('put' as const),
    at: fc.integer({ min: header, max: size - 1 }),
    bytes,
  });
  return fc.oneof(
    { weight: 3, arbitrary: fc.array(anywhere, { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(inData, { minLength: 1, maxLength: 4 }) },
  );
}

export function mutate(file: Uint8Array, list: readonly Mutation[]): Uint8Array<ArrayBuffer> {
  let bytes = Array.from(file);
  for (const mutation of list) {
    switch (mutation.kind) {
      case 'flip':
        if (mutation.at < bytes.length) bytes[mutation.at]! ^= mutation.bits;
        break;
      case 'put':
        mutation.bytes.forEach((byte, i) => {
          if (mutation.at + i < bytes.length) bytes[mutation.at + i] = byte;
        });
        break;
      case 'insert':
        bytes.splice(mutation.at, 0, ...mutation.bytes);
        break;
      case 'remove':
        bytes.splice(mutation.at, mutation.count);
        break;
      case 'cut':
        bytes = bytes.slice(0, mutation.at);
        break;
      case 'append':
        for (let i = 0; i < mutation.count; i++) bytes.push(i);
        break;
    }
  }
  return Uint8Array.from(bytes);
}
