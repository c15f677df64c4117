import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import type { TensorEntry } from './tensor_entry.ts';

const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';
/** Bytes at the beginning of two tensors that tell whether one is a copy of the other. */
const COMPARED_BYTES = 65_536;

/**
 * Brings the prefixes of a single decoder to Hugging Face's: files saved from the inner model have none
 * (`layers.0...`), others carry a wrapper's (`_orig_mod.model.layers.0...`). Names that fit nothing stay as they are.
 * @returns by HF name
 * @throws WebMlaError `bad_file` when two tensors get the same name
 */
export function byHfName(entries: readonly TensorEntry[]): Map<string, TensorEntry> {
  const first = 'layers.0.input_layernorm.weight';
  const marks = entries.filter(({ name }) => name === first || name.endsWith(`.${first}`));
  const prefix = marks.length === 1 ? (marks[0]?.name.slice(0, -first.length) ?? 'model.') : 'model.';
  const result = new Map<string, TensorEntry>();
  for (const entry of entries) {
    const name = hfName(entry.name, prefix);
    if (result.has(name)) {
      throw new WebMlaError('bad_file', `${entry.source.name}: expected one tensor ${name}, got two`);
    }
    result.set(name, entry);
  }
  return result;
}

function hfName(name: string, prefix: string): string {
  if (prefix === 'model.') return name;
  if (name.endsWith(HEAD)) return HEAD;
  return name.startsWith(prefix) ? `model.${name.slice(prefix.length)}` : name;
}

/**
 * Ties the embeddings: afterwards `tensors` has the embedding, and lm_head.weight only when it is a matrix of its own.
 * Of a tied model some files hold only lm_head.weight (TinyStories-656K); some hold both, equal or, against their
 * configuration, different, and then both count (as in transformers 5).
 * @returns whether the model is tied
 */
export async function tieEmbeddings(
  tensors: Map<string, TensorEntry>,
  config: ModelConfig,
  signal?: AbortSignal,
): Promise<boolean> {
  if (!config.tie_word_embeddings) return false;
  const [embedding, head] = [tensors.get(EMBEDDING), tensors.get(HEAD)];
  if (head && embedding && !(await isSameStart(embedding, head, signal))) return false;
  if (head && !embedding) tensors.set(EMBEDDING, head);
  tensors.delete(HEAD);
  return true;
}

async function isSameStart(a: TensorEntry, b: TensorEntry, signal?: AbortSignal): Promise<boolean> {
  if (a.dtype !== b.dtype || a.byteLength !== b.byteLength) return false;
  const length = Math.min(COMPARED_BYTES, a.byteLength);
  const [first, second] = await Promise.all([
    a.source.read(a.offset, length, signal),
    b.source.read(b.offset, length, signal),
  ]);
  return first.every((byte, i) => byte === second[i]);
}
