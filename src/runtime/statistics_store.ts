import { readStatistics, STATISTICS_VERSION } from '../convert/statistics_file.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { ModelStore } from '../formats/model_store.ts';
import type { ByteRange } from '../formats/tensor_entry.ts';
import { statisticsFile } from './model_statistics.ts';

/**
 * Statistics kept in the model store, so that another budget needs no second calibration. They lie there like a download, under an
 * address that says what they belong to; only a file that was written to its end is found again.
 */

/** Bytes that are hashed at a time. */
const PIECE = 2 ** 24;

/** Where statistics of a model over these rows are kept. @param model see modelHash */
export async function statisticsAddress(
  { name }: Checkpoint,
  model: string,
  rows: readonly Uint32Array<ArrayBuffer>[],
): Promise<string> {
  const key = [STATISTICS_VERSION, model];
  for (const row of rows) key.push(await digest(row));
  const hash = await digest(new TextEncoder().encode(key.join('\n')));
  return `webmla://calibration/${encodeURIComponent(name)}/${hash}.safetensors`;
}

/**
 * @returns null when there are none, or none that may be used: cut short, damaged or of another version
 * @throws WebMlaError `storage`, `aborted`
 */
export async function findStatistics(
  store: ModelStore,
  address: string,
  { config }: Checkpoint,
  signal?: AbortSignal,
): Promise<readonly LayerStatistics[] | null> {
  const found = await store.find(address);
  if (!found) return null;
  const { sha256, size, version } = found.entry;
  try {
    const { info, layers } = await readStatistics(found.source, signal);
    const fits =
      info.num_attention_heads === config.num_attention_heads &&
      info.num_key_value_heads === config.num_key_value_heads &&
      info.head_dim === config.head_dim &&
      layers.length === config.num_hidden_layers;
    if (fits) {
      // On a full disk the index cannot be written; that is no reason not to use what is there.
      await store.note(address, { sha256, size, version }).catch(() => undefined);
      return layers;
    }
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof WebMlaError)) throw error;
  }
  await store.delete(sha256);
  return null;
}

/** @throws WebMlaError `storage` when the disk is full: nothing is left behind; `aborted` */
export async function keepStatistics(
  store: ModelStore,
  address: string,
  checkpoint: Checkpoint,
  layers: readonly LayerStatistics[],
  signal?: AbortSignal,
): Promise<void> {
  const parts = statisticsFile(checkpoint, layers);
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  await store.save({ url: address, size, version: null, sha256: null }, inTurn(parts), signal);
}

async function* inTurn<T>(parts: readonly T[]): AsyncGenerator<T, void> {
  yield* parts;
}

/** Of everything that statistics depend on: configuration and weights, all of which are read. */
export async function modelHash(
  { rawConfig, fileTensors }: Checkpoint,
  signal?: AbortSignal,
): Promise<string> {
  const parts = [JSON.stringify(rawConfig)];
  for (const { name, dtype, shape, scales, ...range } of fileTensors) {
    parts.push(JSON.stringify([name, dtype, shape]), ...(await hashesOf(range, signal)));
    if (scales) parts.push(...(await hashesOf(scales, signal)));
  }
  return digest(new TextEncoder().encode(parts.join('\n')));
}

async function hashesOf(
  { source, offset, byteLength }: ByteRange,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const hashes: string[] = [];
  for (let at = 0; at < byteLength; at += PIECE) {
    hashes.push(await digest(await source.read(offset + at, Math.min(PIECE, byteLength - at), signal)));
  }
  return hashes;
}

/** SHA-256 as text; the browser's own, since a model is large. */
async function digest(bytes: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', bytes);
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
