/** A value of a file as a short text for a message, whatever it is: metadata may hold bigints and lists of a million. */
export function printable(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value) && value.length > 20) return `a list of ${value.length}`;
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'bigint' ? inner.toString() : inner,
  );
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
