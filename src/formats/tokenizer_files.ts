import { isJsonObject, readJson, readJsonObject, readText } from './json_source.ts';
import type { JsonObject } from './json_source.ts';
import type { ModelFiles } from './model_files.ts';

export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizerJson: unknown;
  /** tokenizer_config.json, with `chat_template` from chat_template.jinja when only that has it; {} without both */
  readonly tokenizerConfig: JsonObject;
}

/** @returns null when there is no tokenizer.json */
export async function readTokenizerFiles(
  files: ModelFiles,
  signal?: AbortSignal,
): Promise<TokenizerFiles | null> {
  const tokenizer = await files.open('tokenizer.json', signal);
  if (!tokenizer) return null;
  const tokenizerJson = await readJson(tokenizer, signal);
  const config = await files.open('tokenizer_config.json', signal);
  const tokenizerConfig = config ? await readJsonObject(config, signal) : {};
  return { tokenizerJson, tokenizerConfig: await withTemplate(files, tokenizerConfig, signal) };
}

/** transformers writes the template into a file of its own since 4.51. */
async function withTemplate(
  files: ModelFiles,
  tokenizerConfig: JsonObject,
  signal?: AbortSignal,
): Promise<JsonObject> {
  if (tokenizerConfig['chat_template'] != null) return tokenizerConfig;
  const template = await files.open('chat_template.jinja', signal);
  if (template) return { ...tokenizerConfig, chat_template: await readText(template, signal) };
  const wrapped = await files.open('chat_template.json', signal);
  const value = wrapped ? await readJson(wrapped, signal) : null;
  const inner = isJsonObject(value) ? value['chat_template'] : null;
  return inner == null ? tokenizerConfig : { ...tokenizerConfig, chat_template: inner };
}
