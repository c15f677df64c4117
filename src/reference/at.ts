/**
 * Checked access: an oracle that reads past the end must fail, not carry `undefined` into a NaN. Everything in this room is
 * the textbook formula in 64-bit numbers, written to be compared with a shader and not to be fast.
 */
export function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${index} of ${values.length}`);
  return value;
}
