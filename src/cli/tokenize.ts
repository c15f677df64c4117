import { WebMlaError } from '../core/errors.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import { tokenizerOf } from '../runtime/tokenizer_of.ts';
import type { Arguments } from './arguments.ts';
import { openFiles } from './node_files.ts';

export interface Tokenized {
  readonly ids: readonly number[];
  /** The ids decoded again. */
  readonly text: string;
}

/**
 * webmla tokenize. Without --special the text is only text; with it, control tokens in it are recognised and the model's own
 * first tokens are added, as a prompt of generate has them.
 */
export async function tokenize(args: Arguments): Promise<Tokenized> {
  const text = args.required('text');
  const special = args.flag('special');
  const checkpoint = await openCheckpoint(await openFiles(args.required('model')));
  const tokenizer = tokenizerOf(checkpoint);
  if (!tokenizer) {
    throw new WebMlaError('missing_file', `${checkpoint.name}: expected tokenizer.json, got no such file`);
  }
  const ids = tokenizer.encode(text, {
    specialTokens: special ? 'parse' : 'plain',
    addSpecialTokens: special,
  });
  return { ids, text: tokenizer.decode(ids, { skipSpecialTokens: false }) };
}
