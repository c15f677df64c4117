import { widestRow } from '../../conversion.ts';
import type { BudgetCurve, CurvePoint, Subject } from '../../conversion.ts';
import type { CacheDtype } from '../../index.ts';

export interface PlacedPoint {
  /** Bytes a token, in all layers. */
  readonly bytes: number;
  readonly error: number;
}

/** The curve over bytes: the dtype says what a value takes. */
export function placedCurve(
  { points }: BudgetCurve,
  { layers }: Pick<Subject, 'layers'>,
  cacheDtype: CacheDtype,
): readonly PlacedPoint[] {
  return points.map(({ row_dim, error }: CurvePoint) => ({
    bytes: layers * widestRow(row_dim, cacheDtype),
    error,
  }));
}

/** What the curve says of a budget: the widest row that it pays for. null: none does. */
export function errorAt(curve: readonly PlacedPoint[], bytes: number): number | null {
  const paid = curve.filter((point) => point.bytes <= bytes * (1 + 1e-9));
  return paid.length === 0 ? null : Math.min(...paid.map(({ error }) => error));
}
