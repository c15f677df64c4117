/**
 * What decoding a token should take: all that it reads, at the rate at which the device reads, and a constant for each
 * dispatch. A roofline without arithmetic, which one token at a time has next to none of (docs/benchmarks.md).
 */

/** What a token moves and starts. */
export interface DecodeCost {
  /** Weights that a token reads. */
  readonly weightBytes: number;
  /** Cache of one token before it, in all layers. */
  readonly kvBytesPerToken: number;
  readonly dispatches: number;
}

export interface DeviceRates {
  readonly bytesPerSecond: number;
  /** What a dispatch costs besides its bytes. */
  readonly dispatchSeconds: number;
}

/** Seconds of a token behind `context` others. */
export function decodeSeconds(cost: DecodeCost, context: number, rates: DeviceRates): number {
  return bytesOf(cost, context) / rates.bytesPerSecond + cost.dispatches * rates.dispatchSeconds;
}

/** The rates that make the model right for a token that took `seconds`: what its bytes do not explain, its dispatches do. */
export function ratesOf(
  cost: DecodeCost,
  context: number,
  bytesPerSecond: number,
  seconds: number,
): DeviceRates {
  const unexplained = seconds - bytesOf(cost, context) / bytesPerSecond;
  return { bytesPerSecond, dispatchSeconds: Math.max(0, unexplained) / cost.dispatches };
}

/** Tokens in the cache from which on `challenger` is faster than `standing`; null: there is no such number. */
export function crossoverContext(
  standing: DecodeCost,
  challenger: DecodeCost,
  rates: DeviceRates,
): number | null {
  const handicap = decodeSeconds(challenger, 0, rates) - decodeSeconds(standing, 0, rates);
  if (handicap < 0) return challenger.kvBytesPerToken <= standing.kvBytesPerToken ? 0 : null;
  const gain = (standing.kvBytesPerToken - challenger.kvBytesPerToken) / rates.bytesPerSecond;
  return gain > 0 ? Math.floor(handicap / gain) + 1 : null;
}

function bytesOf({ weightBytes, kvBytesPerToken }: DecodeCost, context: number): number {
  return weightBytes + context * kvBytesPerToken;
}
