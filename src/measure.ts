/** What the pages measure with: this device, and models on it. Loaded by their workers, and not part of the package. */
export { findAdapter } from './gpu/device.ts';
export { isShapeName, SHAPE_NAMES, SHAPES } from './core/shapes.ts';
export type { LatentForm } from './core/layers.ts';
export type { ShapeName } from './core/shapes.ts';
export { openBench } from './runtime/open_bench.ts';
export type { BenchRequest } from './runtime/open_bench.ts';
export type { BenchProgress, BenchResult, BenchRow } from './runtime/bench.ts';
export type { OperationProfile } from './runtime/profile.ts';
