import type { GenerationConfig } from '../core/config.ts';
import { parseGenerationConfig } from './hf_config.ts';
import { readJsonObject } from './json_source.ts';
import type { ModelFiles } from './model_files.ts';

/** generation_config.json of a model; {} when there is none. @throws WebMlaError `bad_file` when it is not a JSON object */
export async function readGeneration(files: ModelFiles, signal?: AbortSignal): Promise<GenerationConfig> {
  const file = await files.open('generation_config.json', signal);
  return file ? parseGenerationConfig(await readJsonObject(file, signal)) : {};
}
