/** What the page that converts is made of. Loaded by its worker, in parts by the pages, and not part of the package. */
export { rowWidth, widestRow } from './convert/budget.ts';
export type { MethodChoice } from './convert/budget.ts';
export type { LayerReport } from './convert/report.ts';
export { KeptModels } from './formats/kept_models.ts';
export type { KeptModel } from './formats/kept_models.ts';
export type { BudgetCurve, CurvePoint } from './runtime/budget_curve.ts';
export { Workbench } from './runtime/workbench.ts';
export type * from './runtime/workbench_types.ts';
export { layerThreads } from './worker/layer_threads.ts';

/** Loaded when it is asked for. */
export async function calibrationText(): Promise<string> {
  return (await import('./runtime/calibration_text.ts')).CALIBRATION_TEXT;
}
