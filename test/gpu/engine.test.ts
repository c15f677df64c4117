import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../src/node.ts';
import type { Engine } from '../../src/node.ts';
import type { ChatCompletionChunk, ChatCompletionRequest, ChatMessage } from '../../src/runtime/types.ts';

/** The public surface in Node, on the embedded model. */

const EMBEDDED = fileURLToPath(new URL('../../public/models/tiny-chat', import.meta.url));
const HELLO: ChatMessage[] = [{ role: 'user', content: 'Hello! How are you doing?' }];
const GREEDY = { temperature: 0, repetition_penalty: 1 } as const;

let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({ model: EMBEDDED, attention: 'mla', contextLength: 256 });
});
afterAll(() => engine.dispose());

async function stream(messages: readonly ChatMessage[], more: object = {}): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  const request = {
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...GREEDY,
    ...more,
  } as const;
  for await (const chunk of await engine.chat.completions.create(request)) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: readonly ChatCompletionChunk[]): string =>
  chunks.map((c) => c.choices[0].delta.content ?? '').join('');

describe('info', () => {
  test('says what runs', () => {
    const { info } = engine;
    expect(info).toMatchObject({
      architecture: 'LlamaForCausalLM',
      parameters: 22_619_520,
      attention: 'mla',
      cacheDtype: 'f16',
      contextLength: 256,
      kvBytesPerToken: 12 * 384 * 2,
      gqaKvBytesPerToken: 12 * 384 * 2,
      hasChatTemplate: true,
      notes: [],
    });
    expect(info.defaults).toMatchObject({ temperature: 0.6, top_p: 0.9, top_k: 40, repetition_penalty: 1.1 });
    expect(info.conversion?.length).toBe(12);
    expect(info.conversion?.[0]).toMatchObject({
      layer: 0,
      method: 'exact',
      form: 'strict',
      kv_lora_rank: 192,
      qk_rope_head_dim: 192,
      gqaValues: 384,
      mlaValues: 384,
      addedWeights: 2 * 3 * 192 * 64,
    });
    expect(info.memory.weights).toBeGreaterThan(15_000_000);
    expect(info.memory.cache).toBeGreaterThanOrEqual(256 * info.kvBytesPerToken);
    // embed, 12 layers of qkv, embed_q, attention, unembed, o, gate/up, down, then head and argmax
    expect(info.dispatchesPerToken).toBe(1 + 12 * 7 + 2);
  });
});

describe('chat.completions.create', () => {
  test('streams what it would give whole, in OpenAI shape, with usage and timings', async () => {
    const chunks = await stream(HELLO, { max_tokens: 24 });
    const whole = await engine.chat.completions.create({ messages: HELLO, max_tokens: 24, ...GREEDY });
    expect(textOf(chunks)).toBe(whole.choices[0].message.content);
    expect(textOf(chunks).length).toBeGreaterThan(10);
    expect(chunks[0]?.choices[0].delta).toEqual({ role: 'assistant', content: '' });
    expect(new Set(chunks.map((c) => c.id)).size).toBe(1);
    const last = chunks.at(-1);
    expect(last?.choices[0].finish_reason).toBe('stop');
    expect(last?.usage?.completion_tokens).toBe(whole.usage.completion_tokens);
    expect(last?.usage?.total_tokens).toBe(
      (last?.usage?.prompt_tokens ?? 0) + (last?.usage?.completion_tokens ?? 0),
    );
    expect(last?.usage?.timings.decode_tokens_per_second).toBeGreaterThan(0);
    expect(whole).toMatchObject({
      object: 'chat.completion',
      choices: [{ index: 0, finish_reason: 'stop' }],
    });
    expect(chunks.slice(0, -1).every((c) => c.usage === undefined)).toBe(true);
  });

  test('a second message of a conversation does not compute the first again', async () => {
    const [first] = [await engine.chat.completions.create({ messages: HELLO, max_tokens: 30, ...GREEDY })];
    const messages = [...HELLO, first.choices[0].message, { role: 'user', content: 'Why?' } as const];
    const { usage } = await engine.chat.completions.create({ messages, max_tokens: 4, ...GREEDY });
    // All of the first prompt and of the answer but its end token.
    const known = first.usage.prompt_tokens + first.usage.completion_tokens - 1;
    expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(known);
  });

  test('same seed, same answer; defaults come from generation_config.json', async () => {
    const ask = async (seed: number): Promise<string> =>
      (await engine.chat.completions.create({ messages: HELLO, max_tokens: 16, seed })).choices[0].message
        .content;
    const answers = [await ask(1), await ask(1), await ask(2), await ask(3), await ask(4)];
    expect(answers[0]).toBe(answers[1]);
    expect(new Set(answers).size).toBeGreaterThan(1);
  });

  test('stop strings end the text before them, across tokens, and the rest is not shown', async () => {
    const whole = textOf(await stream(HELLO, { max_tokens: 24 }));
    const stop = whole.slice(5, 9);
    const chunks = await stream(HELLO, { max_tokens: 24, stop: ['zzzz', stop] });
    expect(textOf(chunks)).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(chunks.at(-1)?.choices[0].finish_reason).toBe('stop');
  });

  test('max_tokens is exact', async () => {
    for (const max_tokens of [1, 2, 5]) {
      const { usage, choices, webmla } = await engine.chat.completions.create({
        messages: HELLO,
        max_tokens,
        ...GREEDY,
      });
      expect(usage.completion_tokens).toBe(max_tokens);
      expect(webmla.token_ids?.length).toBe(max_tokens);
      expect(choices[0].finish_reason).toBe('length');
    }
  });

  test('leaving the loop stops the model, and the next request runs at once', async () => {
    let count = 0;
    const endless = await engine.chat.completions.create({
      messages: HELLO,
      stream: true,
      ignore_eos: true,
      seed: 5,
    });
    for await (const chunk of endless) if (++count > 3 && chunk) break;
    expect((await stream(HELLO, { max_tokens: 3 })).at(-1)?.usage?.completion_tokens).toBe(3);
  });

  test('a signal cancels with `aborted`, also one that waits its turn', async () => {
    const controller = new AbortController();
    const long = engine.chat.completions.create({
      messages: HELLO,
      ignore_eos: true,
      max_tokens: 200,
      signal: controller.signal,
    });
    const waiting = new AbortController();
    const second = engine.chat.completions.create({ messages: HELLO, max_tokens: 2, signal: waiting.signal });
    const third = engine.chat.completions.create({ messages: HELLO, max_tokens: 2, ...GREEDY });
    waiting.abort();
    controller.abort();
    await expect(long).rejects.toMatchObject({ code: 'aborted' });
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    expect((await third).usage.completion_tokens).toBe(2);
  });

  test('a stream that nobody reads holds up nobody', async () => {
    const unread = await engine.chat.completions.create({ messages: HELLO, stream: true });
    const { usage } = await engine.chat.completions.create({ messages: HELLO, max_tokens: 2, ...GREEDY });
    expect(usage.completion_tokens).toBe(2);
    await unread.return?.();
  });

  test('requests that come together are answered one after another', async () => {
    const ask = (content: string) =>
      engine.chat.completions.create({ messages: [{ role: 'user', content }], max_tokens: 4, ...GREEDY });
    const alone = [await ask('One?'), await ask('Two?')];
    const together = await Promise.all([ask('One?'), ask('Two?')]);
    expect(together.map((a) => a.webmla.token_ids)).toEqual(alone.map((a) => a.webmla.token_ids));
  });

  test.each<[string, object, string]>([
    ['no messages', { messages: [] }, 'bad_request'],
    ['an unknown role', { messages: [{ role: 'robot', content: 'x' }] }, 'bad_request'],
    ['content that is not text', { messages: [{ role: 'user', content: 3 }] }, 'bad_request'],
    [
      'a field that is not known',
      { messages: HELLO, response_format: { type: 'json_object' } },
      'bad_request',
    ],
    ['a temperature below 0', { messages: HELLO, temperature: -1 }, 'bad_request'],
    ['top_k that is no integer', { messages: HELLO, top_k: 1.5 }, 'bad_request'],
    ['max_tokens 0', { messages: HELLO, max_tokens: 0 }, 'bad_request'],
    ['an empty stop string', { messages: HELLO, stop: [''] }, 'bad_request'],
  ])('refuses %s at once, whole and streamed', async (_, request, code) => {
    const { completions } = engine.chat;
    for (const more of [{}, { stream: true }]) {
      const wrong = { ...request, ...more } as ChatCompletionRequest;
      await expect(completions.create(wrong)).rejects.toMatchObject({ code });
    }
  });
});

describe('completions.create', () => {
  test('takes text or ids, and gives text that goes on', async () => {
    const prompt = 'Once upon a time, there was a little';
    const byText = await engine.completions.create({ prompt, max_tokens: 8, ...GREEDY });
    expect(byText.choices[0].text).toMatch(/^ \w+/);
    const byIds = await engine.completions.create({
      prompt: [4678, 875, 261, 573, 14, 503, 316, 261, 633],
      max_tokens: 8,
      ...GREEDY,
    });
    expect(byIds.webmla.token_ids).toEqual(byText.webmla.token_ids);
    let streamed = '';
    const chunks = await engine.completions.create({ prompt, max_tokens: 8, stream: true, ...GREEDY });
    for await (const chunk of chunks) streamed += chunk.choices[0].text;
    expect(streamed).toBe(byText.choices[0].text);
  });

  test.each<[string, unknown, string]>([
    ['an empty text', '', 'bad_request'],
    ['no ids', [], 'bad_request'],
    ['an id beyond the vocabulary', [1, 8192], 'bad_request'],
    ['more than the context', Array.from({ length: 257 }, () => 5), 'context_full'],
  ])('refuses %s', async (_, prompt, code) => {
    await expect(engine.completions.create({ prompt: prompt as string })).rejects.toMatchObject({ code });
  });
});
