import { readJsonObject } from './json_source.ts';
import type { JsonObject } from './json_source.ts';
import type { ModelFiles } from './model_files.ts';

/** generation_config.json of a model as it stands; {} when there is none. @throws WebMlaError `bad_file` when it is not a JSON object */
export async function readGeneration(files: ModelFiles, signal?: AbortSignal): Promise<JsonObject> {
  const file = await files.open('generation_config.json', signal);
  return file ? readJsonObject(file, signal) : {};
}
