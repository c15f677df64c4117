import { Engine } from './api/engine.ts';
import { openDawn } from './cli/dawn.ts';
import { convertedFiles } from './cli/converted_files.ts';
import { openFiles } from './cli/node_files.ts';
import { LocalEngine } from './runtime/engine.ts';
import type { EngineOptions } from './runtime/types.ts';

export { Engine } from './api/engine.ts';
export type { ChunkStream } from './api/engine.ts';
export { WebMlaError } from './core/errors.ts';
export type { ErrorCode, ErrorDetails } from './core/errors.ts';
export type * from './runtime/types.ts';

/**
 * createEngine for Node, on Dawn (the npm package `webgpu`, an optional dependency). `model` may also be a path that begins with
 * / or . ; there is no worker and no store.
 * @throws WebMlaError
 */
export async function createEngine(options: Omit<EngineOptions, 'worker' | 'store'>): Promise<Engine> {
  const { model, hub, ...rest } = options;
  const gpu = await openDawn();
  const files = await convertedFiles(await openFiles(model, hub), rest);
  return new Engine(await LocalEngine.create({ ...rest, ...files, gpu }));
}
