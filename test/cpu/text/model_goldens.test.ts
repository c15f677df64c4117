import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { createChatTemplate } from '../../../src/text/chat_template.ts';
import type { TemplateMessage } from '../../../src/text/chat_template.ts';
import { TextStream } from '../../../src/text/text_stream.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { modelTest } from '../../models.ts';

/** Prompts and answers of the checkpoints' golden.json, made with transformers: from messages to ids and back to text. */

interface Prompt {
  readonly messages: readonly TemplateMessage[] | null;
  readonly prompt_ids: readonly number[];
}

interface Chat {
  readonly prompts?: readonly (Prompt & { text: string; new_ids: number[]; new_text: string })[];
  readonly cases?: readonly (Prompt & { prompt: string; greedy_ids: number[]; greedy_text: string })[];
  readonly tokenizer?: readonly { text: string; ids: number[]; decoded: string }[];
}

function load(dir: string, folder: string): { tokenizer: Tokenizer; chatTemplate: unknown; golden: Chat } {
  const read = (name: string): string => readFileSync(path.join(dir, folder, name), 'utf8');
  const tokenizerConfig: Record<string, unknown> = JSON.parse(read('tokenizer_config.json'));
  const tokenizer = createTokenizer({ tokenizerJson: JSON.parse(read('tokenizer.json')), tokenizerConfig });
  return {
    tokenizer,
    chatTemplate: tokenizerConfig['chat_template'],
    golden: JSON.parse(read('golden.json')),
  };
}

function promptIds(tokenizer: Tokenizer, source: unknown, messages: readonly TemplateMessage[]): number[] {
  const { bosToken, eosToken, controlTokens } = tokenizer;
  const pieces = createChatTemplate(source)!.renderPieces(messages, {
    addGenerationPrompt: true,
    bosToken,
    eosToken,
    controlTokens,
  });
  return tokenizer.encodePieces(pieces, { addSpecialTokens: false });
}

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string {
  const stream = new TextStream(tokenizer, { skipSpecialTokens });
  return ids.map((id) => stream.push(id)).join('') + stream.flush();
}

modelTest('SmolLM2: the four golden prompts', (dir) => {
  const { tokenizer, chatTemplate, golden } = load(dir, 'SmolLM2-135M-Instruct');
  expect(golden.prompts).toHaveLength(4);
  for (const { messages, text, prompt_ids, new_ids, new_text } of golden.prompts ?? []) {
    const ids =
      messages === null
        ? tokenizer.encode(text, { specialTokens: 'parse', addSpecialTokens: true })
        : promptIds(tokenizer, chatTemplate, messages);
    expect(ids).toEqual(prompt_ids);
    expect(streamed(tokenizer, new_ids, true)).toBe(new_text);
  }
});

modelTest('tiny-chat: its golden prompts and texts', (dir) => {
  const { tokenizer, chatTemplate, golden } = load(dir, 'tiny-chat');
  expect(golden.cases?.length).toBeGreaterThan(5);
  for (const { messages, prompt, prompt_ids, greedy_ids, greedy_text } of golden.cases ?? []) {
    const ids =
      messages === null
        ? tokenizer.encode(prompt, { specialTokens: 'parse', addSpecialTokens: true })
        : promptIds(tokenizer, chatTemplate, messages);
    expect(ids).toEqual(prompt_ids);
    expect(streamed(tokenizer, greedy_ids, false)).toBe(greedy_text);
  }
  expect(golden.tokenizer?.length).toBeGreaterThan(5);
  for (const { text, ids, decoded } of golden.tokenizer ?? []) {
    expect(tokenizer.encode(text, { specialTokens: 'parse', addSpecialTokens: true })).toEqual(ids);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(decoded);
  }
});
