import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { longestContext } from '../model/architecture.ts';

/** @throws WebMlaError `bad_request` for rows that the model cannot run */
export function checkSequences(config: ModelConfig, sequences: readonly Uint32Array[]): void {
  const longest = longestContext(config);
  if (sequences.length === 0) throw new WebMlaError('bad_request', 'token rows: expected some, got none');
  for (const [i, ids] of sequences.entries()) {
    if (ids.length < 1 || ids.length > longest) {
      throw new WebMlaError(
        'bad_request',
        `token row ${i}: expected 1 to ${longest} tokens (what this model can do), got ${ids.length}`,
      );
    }
    const stranger = ids.find((id) => id >= config.vocab_size);
    if (stranger !== undefined) {
      throw new WebMlaError(
        'bad_request',
        `token row ${i}: expected ids below ${config.vocab_size}, got ${stranger}`,
      );
    }
  }
}
