import type { Checkpoint } from '../formats/checkpoint.ts';
import { tokenizerFromGguf } from '../text/gguf_vocabulary.ts';
import { createTokenizer } from '../text/tokenizer.ts';
import type { Tokenizer, TokenizerFiles } from '../text/tokenizer.ts';

/** The checkpoint's tokenizer, or null when it has none. */
export function tokenizerOf(checkpoint: Checkpoint): Tokenizer | null {
  const files = tokenizerFilesOf(checkpoint);
  return files && createTokenizer(files);
}

/** tokenizer.json and tokenizer_config.json, made from the vocabulary of a GGUF where that is what there is. */
export function tokenizerFilesOf({ tokenizerFiles, ggufMetadata }: Checkpoint): TokenizerFiles | null {
  if (tokenizerFiles) return tokenizerFiles;
  return ggufMetadata && 'tokenizer.ggml.model' in ggufMetadata ? tokenizerFromGguf(ggufMetadata) : null;
}
