import { describe, expect, test } from 'vitest';
import { WebMlaError } from '../../src/index.ts';
import type { LoadProgress, LoadStage } from '../../src/index.ts';
import { beginConversation, userMessage } from '../../src/demo/chat/conversation.ts';
import type { AssistantMessage, Conversation } from '../../src/demo/chat/conversation.ts';
import { parseConversation } from '../../src/demo/chat/conversation_record.ts';
import { DEFAULT_LOAD_OPTIONS } from '../../src/demo/chat/load_options.ts';
import { LoadTracker } from '../../src/demo/chat/load_tracker.ts';
import { EMBEDDED } from '../../src/demo/model_choice.ts';
import { firstSeen, promptOf } from '../../src/demo/chat/prompt.ts';
import { remediesFor } from '../../src/demo/chat/remedies.ts';
import { parseSampling } from '../../src/demo/chat/sampling_settings.ts';
import { groupStored } from '../../src/demo/stored_groups.ts';

/** Parts of the chat page that need no browser. */

const request = {
  choice: { kind: 'address', address: 'owner/name' },
  options: DEFAULT_LOAD_OPTIONS,
} as const;

function answer(id: string, text: string, more: Partial<AssistantMessage> = {}): AssistantMessage {
  return {
    role: 'assistant',
    id,
    text,
    state: 'done',
    failure: null,
    figures: null,
    dropped: 0,
    model: 'm',
    attention: 'mla',
    ...more,
  };
}

function conversation(messages: Conversation['messages'], system = ''): Conversation {
  const start = { system, sampling: {}, model: EMBEDDED, attention: 'mla' } as const;
  return { ...beginConversation(start, 'x'), messages };
}

describe('what the model is sent', () => {
  const one = userMessage('one');
  const two = userMessage('two');
  const three = userMessage('three');

  test('roles alternate: empty answers are left out, neighbours of one role become one message', () => {
    const log = conversation(
      [one, answer('a', '', { state: 'failed' }), two, answer('b', 'B'), three],
      'Be brief.',
    );
    expect(promptOf(log, 5)).toEqual({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'one\n\ntwo' },
        { role: 'assistant', content: 'B' },
        { role: 'user', content: 'three' },
      ],
      starts: [0, 3, 4],
    });
  });

  test('the mark stands before the first message that the last answer saw', () => {
    const last = answer('c', 'C', { dropped: 2 });
    const log = conversation([one, answer('a', ''), two, answer('b', 'B'), three, last], 'Be brief.');
    expect(firstSeen(log)).toBe(4);
    expect(firstSeen(conversation([one, answer('a', 'A')]))).toBe(0);
  });
});

test('progress never goes back, whatever files and layers report', () => {
  const tracker = new LoadTracker('mla');
  const step = (progress: Partial<LoadProgress>): number => {
    tracker.take({ stage: 'read', loaded: 0, total: 0, unit: 'bytes', ...progress });
    return tracker.view.value.overall;
  };
  const shard = (part: number, loaded: number): number =>
    step({ item: `model-0000${part}-of-00002.safetensors`, loaded, total: 4e6 });
  const seen = [
    step({ item: 'config.json', loaded: 600, total: 600 }),
    shard(1, 2e6),
    shard(1, 4e6),
    shard(2, 0),
    shard(2, 4e6),
    step({ stage: 'convert', unit: 'layers', loaded: 1, total: 2 }),
    step({ stage: 'upload', unit: 'layers', loaded: 1, total: 2 }),
    step({ stage: 'convert', unit: 'layers', loaded: 2, total: 2 }),
    step({ stage: 'upload', unit: 'layers', loaded: 2, total: 2 }),
    step({ stage: 'warm up', unit: 'steps', loaded: 3, total: 3 }),
  ];
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen[0]).toBe(0);
  expect(seen[1]).toBeCloseTo((seen[4] ?? 0) / 4);
  expect(seen.at(-1)).toBeCloseTo(1);
  expect(new LoadTracker('gqa').view.value.stages.map(({ stage }) => stage)).toEqual([
    'read',
    'upload',
    'warm up',
  ]);
});

test('progress of compressing: calibrated and converted before anything is uploaded', () => {
  const tracker = new LoadTracker('mla', true);
  const step = (stage: LoadStage, loaded: number): string => {
    tracker.take({ stage, loaded, total: 4, unit: 'layers' });
    return tracker.view.value.detail;
  };
  expect(step('calibrate', 1.5)).toBe('Calibrating, layer 1 of 4');
  tracker.take({ stage: 'search', loaded: 2, total: 9, unit: 'steps', item: 'reuse int4' });
  expect(tracker.view.value.detail).toBe('Trying reuse int4, 2 of 9 at most');
  expect(step('convert', 4)).toBe('Converting, layer 4 of 4');
  tracker.take({ stage: 'measure', loaded: 0, total: 1, unit: 'steps' });
  expect(tracker.view.value.detail).toBe('Measuring on text that was held back');
  expect(step('upload', 1)).toBe('Uploading layer 1 of 4');
  expect(tracker.view.value.stages.map(({ stage, done }) => [stage, done])).toEqual([
    ['read', 1],
    ['calibrate', 1],
    ['search', 1],
    ['convert', 1],
    ['measure', 1],
    ['upload', 0.25],
    ['warm up', 0],
  ]);
});

describe('what is offered when a load fails', () => {
  const offered = (error: WebMlaError): string[] => remediesFor(error, request).map(({ label }) => label);

  test('no memory: less of everything, one click each', () => {
    const error = new WebMlaError('out_of_memory', 'cache: no memory');
    expect(offered(error)).toEqual([
      'Reload with a context of 2,048',
      'Reload with 4-bit weights',
      'Choose another model',
      'Use the embedded model',
    ]);
    const [first] = remediesFor(error, request);
    expect(first?.load).toMatchObject({ options: { contextLength: 2048 } });
  });

  test('several GGUF: each of them', () => {
    const error = new WebMlaError('bad_request', 'expected one GGUF', '', { files: ['a.gguf', 'b.gguf'] });
    const [first] = remediesFor(error, request);
    expect(first?.load).toMatchObject({ choice: { kind: 'address', address: 'owner/name/a.gguf' } });
  });

  test('a context that is too long: the longest there is', () => {
    expect(offered(new WebMlaError('bad_request', 'contextLength', '', { longest: 2048 }))[0]).toBe(
      'Load with a context of 2,048',
    );
  });
});

describe('what was stored is read with care', () => {
  test('a conversation comes back; a running answer was stopped', () => {
    const stored = conversation([userMessage('Hi'), answer('a', 'Hel', { state: 'running' })]);
    const back = parseConversation(JSON.parse(JSON.stringify(stored)));
    expect(back).toMatchObject({
      id: stored.id,
      messages: [{ text: 'Hi' }, { text: 'Hel', state: 'stopped' }],
    });
  });

  test('anything else is no conversation', () => {
    const nonsense = [
      undefined,
      null,
      7,
      'x',
      [],
      {},
      { id: 'a' },
      { id: 'a', messages: 'no' },
      { id: 'a', messages: [{}] },
    ];
    for (const record of nonsense) expect(parseConversation(record)).toBeNull();
  });

  test('sampling outside its range is left out', () => {
    expect(
      parseSampling({ temperature: 0.5, top_p: 3, top_k: 1.5, seed: '1', stop: ['', 'END', 4] }),
    ).toEqual({
      temperature: 0.5,
      stop: ['END'],
    });
  });

  test('files are grouped by where they came from, malformed addresses too', () => {
    const file = (url: string, bytes: number): Parameters<typeof groupStored>[0][number] => ({
      sha256: `${url}${bytes}`.padEnd(64, '0'),
      bytes,
      urls: url === '' ? [] : [url],
      lastUsed: 0,
    });
    const groups = groupStored([
      file('https://huggingface.co/owner/name/resolve/main/config.json', 1),
      file('https://huggingface.co/owner/name/resolve/main/model.safetensors', 9),
      file('http://host/%E0%A4%A/model.gguf', 5),
      file('', 2),
    ]);
    expect(groups.map(({ name, files }) => [name, files.map((one) => one.name)])).toEqual([
      ['name', ['model.safetensors', 'config.json']],
      ['%E0%A4%A', ['model.gguf']],
      ['origin unknown', ['200000000000']],
    ]);
  });
});
