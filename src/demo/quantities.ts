/** Numbers as people read them. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Decimal units, three digits: 15.6 MB, 988 MB. */
export function bytes(size: number): string {
  let [value, unit] = [size, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${digits(value, unit === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0)} ${UNITS[unit] ?? 'B'}`;
}

/** Of a place on an axis: 2.5 kB, 10 MB. */
export function bytesTick(size: number): string {
  return bytes(size)
    .replace(/\.0+ /, ' ')
    .replace(/(\.\d+?)0+ /, '$1 ');
}

/** 4,096 */
export function count(value: number): string {
  return digits(value, 0);
}

/** 22.6 M, 1.24 B: as models are named. */
export function parameters(value: number): string {
  const [scaled, unit] = value >= 1e9 ? [value / 1e9, 'B'] : [value / 1e6, 'M'];
  return `${digits(scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0)} ${unit}`;
}

/** 312 ms, 4.2 s, 2 min */
export function duration(ms: number): string {
  if (ms < 999.5) return `${digits(ms, 0)} ms`;
  const seconds = ms / 1000;
  if (seconds < 99.5) return `${digits(seconds, seconds < 10 ? 1 : 0)} s`;
  return `${digits(seconds / 60, 0)} min`;
}

/** Tokens a second. */
export function rate(value: number): string {
  return digits(value, value < 100 ? 1 : 0);
}

/** 12 % */
export function percent(share: number): string {
  return `${digits(share * 100, 0)} %`;
}

/** 1 layer, 2 layers */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

function digits(value: number, fraction: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: fraction, maximumFractionDigits: fraction });
}
