/** What the pages measure with: this device, and models on it. Loaded by their workers, and not part of the package. */
export { findAdapter } from './gpu/device.ts';
export { isShapeName, SHAPE_NAMES, SHAPES } from './core/shapes.ts';
export type { LatentForm } from './core/layers.ts';
export type { ShapeName } from './core/shapes.ts';
export { openBench } from './runtime/open_bench.ts';
export type { BenchRequest } from './runtime/open_bench.ts';
export type { BenchProgress, BenchResult, BenchRow } from './runtime/bench.ts';
export type { OperationProfile } from './runtime/profile.ts';
export { layerThreads } from './worker/layer_threads.ts';
export { RaceServer } from './runtime/race/race_server.ts';
export type { RaceReport, RaceRequest } from './runtime/race/race_server.ts';
export type { LanesState, LaneState } from './runtime/race/lanes.ts';
export { BASE, parseSetting, settingKey, settingName } from './runtime/race/setting.ts';
export type { RaceSetting } from './runtime/race/setting.ts';
export type { SweepResult, SweepRow } from './runtime/race/sweep_record.ts';
export { SWEEP_STAGES } from './runtime/race/sweep_clock.ts';
