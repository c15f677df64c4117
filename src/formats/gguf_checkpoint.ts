import { WebMlaError } from '../core/errors.ts';
import type { RopeScaling } from '../core/config.ts';
import type { Checkpoint } from './checkpoint.ts';
import { readGguf } from './gguf.ts';
import type { GgufFile } from './gguf.ts';
import { ggufArchitecture, ggufConfig, ggufGenerationConfig } from './gguf_config.ts';
import { ggufRowOrder, hfName } from './gguf_names.ts';
import { readGeneration } from './generation_file.ts';
import { isStrictType, parseConfig, parseGenerationConfig } from './hf_config.ts';
import type { JsonObject } from './json_source.ts';
import type { ModelFiles } from './model_files.ts';
import { requireScaling } from './rope_factors.ts';
import { readFloats } from './tensor_data.ts';
import type { TensorEntry } from './tensor_entry.ts';
import { readTokenizerFiles } from './tokenizer_files.ts';

const ROPE_FREQS = 'rope_freqs.weight';
/** llama.cpp, gguf-split: NAME-00001-of-00003.gguf; the metadata is in the first. */
const SPLIT = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * Opens a GGUF and, if it is split, its other parts. The metadata is the configuration; a generation_config.json and a
 * tokenizer.json beside the file go before what is in it, because they say more.
 * @throws WebMlaError like openCheckpoint
 */
export async function openGgufCheckpoint(
  files: ModelFiles,
  path: string,
  signal?: AbortSignal,
): Promise<Checkpoint> {
  const { metadata, tensors: fileTensors } = await readParts(files, path, signal);
  const arch = ggufArchitecture(metadata);
  const byName = new Map(fileTensors.map((entry) => [entry.name, entry]));
  const scaling = await ropeScaling(byName, metadata, files.name, signal);
  const rawConfig = ggufConfig(metadata, byName, scaling, files.name);
  const config = parseConfig(rawConfig, files.name);
  const heads = { q: config.num_attention_heads, k: config.num_key_value_heads };
  const tensors = new Map<string, TensorEntry>();
  for (const entry of fileTensors) {
    // Its divisors are in the configuration now.
    if (entry.name === ROPE_FREQS && isStrictType(arch)) continue;
    const rowOrder = ggufRowOrder(entry, arch, heads);
    const name = hfName(entry.name);
    if (tensors.has(name)) {
      throw new WebMlaError('bad_file', `${files.name}: expected one tensor ${name}, got two`);
    }
    tensors.set(name, rowOrder ? { ...entry, rowOrder } : entry);
  }
  const rawGeneration = await readGeneration(files, signal);
  return {
    name: files.name,
    kind: 'gguf',
    config,
    rawConfig,
    latent: null,
    generation: { ...ggufGenerationConfig(metadata), ...parseGenerationConfig(rawGeneration) },
    rawGeneration,
    tokenizerFiles: await readTokenizerFiles(files, signal),
    ggufMetadata: metadata,
    tensors,
    fileTensors,
  };
}

async function readParts(files: ModelFiles, path: string, signal?: AbortSignal): Promise<GgufFile> {
  const first = await openPart(files, path, signal);
  const [, prefix, number, total] = SPLIT.exec(path) ?? [];
  const parts = Number(first.metadata['split.count'] ?? 1);
  if (parts <= 1) return first;
  if (number !== '00001' || Number(total) !== parts) {
    throw new WebMlaError(
      'bad_request',
      `${path}: expected the first of ${parts} parts (NAME-00001-of-${String(parts).padStart(5, '0')}.gguf), got another name`,
      'Give the first part; the others must lie beside it under their original names.',
    );
  }
  const tensors = new Map(first.tensors.map((entry) => [entry.name, entry]));
  for (let i = 2; i <= parts; i++) {
    const part = await openPart(files, `${prefix}-${String(i).padStart(5, '0')}-of-${total}.gguf`, signal);
    for (const entry of part.tensors) {
      if (tensors.has(entry.name)) {
        throw new WebMlaError('bad_file', `${files.name}: expected ${entry.name} in one part, got it in two`);
      }
      tensors.set(entry.name, entry);
    }
  }
  return { metadata: first.metadata, tensors: [...tensors.values()] };
}

async function openPart(files: ModelFiles, path: string, signal?: AbortSignal): Promise<GgufFile> {
  const source = await files.open(path, signal);
  if (source) return readGguf(source, signal);
  throw new WebMlaError('missing_file', `${files.name}: expected ${path}, got no such file`);
}

/** null when the file has no divisors of its own, or all are 1; then the metadata says everything. */
async function ropeScaling(
  tensors: ReadonlyMap<string, TensorEntry>,
  metadata: JsonObject,
  file: string,
  signal?: AbortSignal,
): Promise<RopeScaling | null> {
  const entry = tensors.get(ROPE_FREQS);
  if (!entry || !isStrictType(ggufArchitecture(metadata))) return null;
  const config = parseConfig(ggufConfig(metadata, tensors, null, file), file);
  const factors = await readFloats(entry, [config.head_dim / 2], signal);
  const scaling = requireScaling(factors, config.head_dim, config.rope_theta, file);
  if (scaling.rope_type === 'default') return null;
  if (config.rope_scaling.rope_type === 'default') return scaling;
  throw new WebMlaError(
    'unsupported',
    `${file}: expected rope_freqs.weight or rope scaling in the metadata, got both (${config.rope_scaling.rope_type})`,
  );
}
