/** IEEE binary16 and bfloat16 on 16-bit patterns. Node 20 has no Float16Array, so both directions are written out. */

const view = new DataView(new ArrayBuffer(4));

/** Bits of an f16 -> number. */
export function f16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Number -> bits of the nearest f16, ties to even; beyond 65504 + half a step it becomes infinity. */
export function numberToF16(value: number): number {
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  const shifted = exponent - 127 + 15;
  if (shifted >= 0x1f) return sign | 0x7c00;
  if (shifted <= 0) {
    // Subnormal: the implicit one becomes visible and the mantissa moves right.
    const shift = 14 - shifted;
    if (shift > 24) return sign;
    const mantissa = fraction | 0x800000;
    return sign | roundShift(mantissa, shift);
  }
  // A carry out of the mantissa moves into the exponent, which is what rounding up means.
  return sign | ((shifted << 10) + roundShift(fraction, 13));
}

/** Number -> bits of the nearest bfloat16, ties to even. */
export function numberToBf16(value: number): number {
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  if (Number.isNaN(value)) return 0x7fc0;
  return roundShift(bits, 16) & 0xffff;
}

export function bf16ToNumber(bits: number): number {
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

/** value >> shift, rounded to nearest, ties to even. value is an unsigned 32-bit number. */
function roundShift(value: number, shift: number): number {
  const base = Math.floor(value / 2 ** shift);
  const rest = value - base * 2 ** shift;
  const half = 2 ** (shift - 1);
  return rest > half || (rest === half && base % 2 === 1) ? base + 1 : base;
}

let f16Table: Float32Array | undefined;

/** All 65,536 values of f16, made at first use (256 kB): the fast way to decode many. */
export function f16Values(): Float32Array {
  f16Table ??= Float32Array.from({ length: 0x10000 }, (_, bits) => f16ToNumber(bits));
  return f16Table;
}
