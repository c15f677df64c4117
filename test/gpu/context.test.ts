import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../src/node.ts';
import type { Engine } from '../../src/node.ts';
import type { ChatMessage } from '../../src/runtime/types.ts';

/** A small context and what happens at its end; loading, cancelling, disposing. On the embedded model. */

const EMBEDDED = fileURLToPath(new URL('../../public/models/tiny-chat', import.meta.url));
const HELLO: ChatMessage[] = [{ role: 'user', content: 'Hello! How are you doing?' }];
const GREEDY = { temperature: 0, repetition_penalty: 1 } as const;
const CONTEXT = 112;

let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({ model: EMBEDDED, attention: 'mla', contextLength: CONTEXT });
});
afterAll(() => engine.dispose());

describe('a conversation that outgrows the context', () => {
  const turn = (i: number): ChatMessage[] => [
    { role: 'user', content: `Question number ${i}: what is a river, and where does its water come from?` },
    {
      role: 'assistant',
      content: `Answer number ${i}: a river is water that flows to the sea, and it comes from rain.`,
    },
  ];
  const long: ChatMessage[] = [
    { role: 'system', content: 'Answer in one sentence.' },
    ...Array.from({ length: 8 }, (_, i) => turn(i)).flat(),
    { role: 'user', content: 'And the last one?' },
  ];

  test('a prompt that fills the context gives one token', async () => {
    const prompt = Array.from({ length: CONTEXT }, (_, i) => 5 + i);
    const { usage, choices } = await engine.completions.create({ prompt, ...GREEDY, ignore_eos: true });
    expect(usage.completion_tokens).toBe(1);
    expect(choices[0].finish_reason).toBe('length');
  });

  test('loses its oldest turns and says how many messages', async () => {
    const { webmla, usage } = await engine.chat.completions.create({
      messages: long,
      max_tokens: 4,
      ...GREEDY,
    });
    expect(webmla.dropped_messages).toBeGreaterThan(1);
    expect((webmla.dropped_messages ?? 0) % 2).toBe(0);
    expect(usage.prompt_tokens).toBeLessThanOrEqual(CONTEXT);
    // Not more than needed: one turn more, of some 45 tokens, would not have fitted beside the answer.
    expect(usage.prompt_tokens).toBeGreaterThan(CONTEXT - 4 - 50);
  });

  test('goes on in the middle of an answer', async () => {
    const messages = long.slice(-3);
    const { webmla, usage } = await engine.chat.completions.create({
      messages,
      max_tokens: 60,
      ignore_eos: true,
      seed: 1,
    });
    expect(usage.completion_tokens).toBe(60);
    expect(webmla.dropped_messages).toBeGreaterThan(0);
  });

  test('ends with `length` when nothing can go', async () => {
    const { choices, usage } = await engine.chat.completions.create({
      messages: HELLO,
      ignore_eos: true,
      seed: 1,
    });
    expect(choices[0].finish_reason).toBe('length');
    expect(usage.total_tokens).toBe(CONTEXT + 1);
  });

  test('a last message that is too long alone is `context_full`', async () => {
    const messages: ChatMessage[] = [{ role: 'user', content: 'word '.repeat(400) }];
    await expect(engine.chat.completions.create({ messages })).rejects.toMatchObject({
      code: 'context_full',
    });
  });

  test('is an error where the option says so', async () => {
    const strict = await createEngine({ model: EMBEDDED, contextLength: 128, onContextFull: 'error' });
    try {
      await expect(strict.chat.completions.create({ messages: long })).rejects.toMatchObject({
        code: 'context_full',
      });
    } finally {
      strict.dispose();
    }
  });
});

describe('life and death', () => {
  test('a disposed engine says so', async () => {
    const short = await createEngine({ model: EMBEDDED, contextLength: 64 });
    const running = short.chat.completions.create({ messages: HELLO, ignore_eos: true });
    const failed = expect(running).rejects.toMatchObject({ code: 'engine_state' });
    short.dispose();
    await failed;
    await expect(short.completions.create({ prompt: 'x' })).rejects.toMatchObject({ code: 'engine_state' });
  });

  test('loading reports its stages in order and can be cancelled', async () => {
    const stages: string[] = [];
    const loaded = await createEngine({
      model: EMBEDDED,
      attention: 'mla',
      contextLength: 64,
      onProgress: ({ stage }) => stages.at(-1) !== stage && stages.push(stage),
    });
    loaded.dispose();
    expect(stages.at(0)).toBe('convert');
    expect(stages.at(-1)).toBe('warm up');
    const controller = new AbortController();
    const cancelled = createEngine({
      model: EMBEDDED,
      signal: controller.signal,
      onProgress: ({ loaded: done }) => done === 3 && controller.abort(),
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
  });

  test.each<[string, object, string]>([
    ['a model that is not there', { model: './no-such-folder' }, 'missing_file'],
    ['neither address nor Hub id', { model: 'what is this' }, 'bad_request'],
    ['a context beyond the model', { model: EMBEDDED, contextLength: 5000 }, 'bad_request'],
    [
      'a method that is not there',
      { model: EMBEDDED, attention: { form: 'mla', method: 'magic' } },
      'bad_request',
    ],
  ])('%s is a typed error', async (_, options, code) => {
    await expect(createEngine(options as { model: string })).rejects.toMatchObject({ code });
  });
});
