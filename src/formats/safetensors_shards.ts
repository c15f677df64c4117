import { WebMlaError } from '../core/errors.ts';
import { isJsonObject, readJsonObject } from './json_source.ts';
import type { ByteSource } from './byte_source.ts';
import type { ModelFiles } from './model_files.ts';
import { packedEntries } from './packed_checkpoint.ts';
import { readSafetensors } from './safetensors.ts';
import type { TensorEntry } from './tensor_entry.ts';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const MAX_SHARDS = 1000;

/**
 * The tensors of a model in safetensors: one file, or shards under an index.
 * @throws WebMlaError `missing_file` when there is neither or a shard is not there, `bad_file`
 */
export async function openSafetensorsTensors(
  files: ModelFiles,
  signal?: AbortSignal,
): Promise<readonly TensorEntry[]> {
  const single = await files.open(files.safetensorsPath ?? SINGLE, signal);
  if (single) return packedEntries(await readSafetensors(single, signal));
  const index = files.safetensorsPath === null ? await files.open(INDEX, signal) : null;
  if (index) return openShards(files, index, signal);
  throw new WebMlaError(
    'missing_file',
    `${files.name}: expected ${files.safetensorsPath ?? `${SINGLE} or ${INDEX}`}, got no such file`,
    'Weights must be safetensors or GGUF, not pytorch_model.bin or ONNX. Of a GGUF give the file itself.',
  );
}

async function openShards(
  files: ModelFiles,
  index: ByteSource,
  signal?: AbortSignal,
): Promise<readonly TensorEntry[]> {
  const places = readIndex(await readJsonObject(index, signal), index.name);
  const entries: TensorEntry[] = [];
  for (const [path, names] of places) {
    const shard = await files.open(path, signal);
    if (!shard) {
      throw new WebMlaError(
        'missing_file',
        `${index.name}: expected the shard ${path}, got no such file`,
        'The download of the model is not complete.',
      );
    }
    const file = await readSafetensors(shard, signal);
    const present = new Set(file.tensors.map(({ name }) => name));
    for (const name of names) {
      if (!present.has(name)) throw bad(index.name, `expected ${name} in ${path}, got a file without it`);
    }
    // A tensor that the index puts elsewhere, or nowhere, does not count.
    entries.push(...packedEntries(file).filter(({ name }) => names.has(name) || names.has(`${name}.quants`)));
  }
  return entries;
}

/** @returns for each shard the tensors that are to be read from it */
function readIndex(
  index: Readonly<Record<string, unknown>>,
  file: string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const map = index['weight_map'];
  if (!isJsonObject(map)) throw bad(file, 'expected a weight_map, got none');
  const places = new Map<string, Set<string>>();
  for (const [name, path] of Object.entries(map)) {
    if (typeof path !== 'string' || !isPlainPath(path)) {
      throw bad(file, `expected a file beside the index for ${name}, got ${JSON.stringify(path)}`);
    }
    places.set(path, (places.get(path) ?? new Set()).add(name));
  }
  if (places.size > MAX_SHARDS) throw bad(file, `expected at most ${MAX_SHARDS} shards, got ${places.size}`);
  return places;
}

/** No scheme, no absolute path, no way up: an index must not make us read anything but the files of its model. */
function isPlainPath(path: string): boolean {
  return /^[\w.-]+(?:\/[\w.-]+)*\.safetensors$/.test(path) && !path.split('/').includes('..');
}

function bad(file: string, what: string): WebMlaError {
  return new WebMlaError('bad_file', `${file}: ${what.slice(0, 300)}`);
}
