import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { describe, expect, test } from 'vitest';
import { createChatTemplate } from '../../../src/text/chat_template.ts';
import type { ChatTemplate, TemplateMessage } from '../../../src/text/chat_template.ts';
import { strftime } from '../../../src/text/strftime.ts';

interface Goldens {
  readonly now: string;
  readonly templates: Readonly<Record<string, string>>;
  readonly conversations: readonly (readonly TemplateMessage[])[];
  /** template, conversation, variables, add_generation_prompt, text or what the template refused with */
  readonly cases: readonly (readonly [
    string,
    number,
    Record<string, unknown>,
    boolean,
    string | { readonly error: string },
  ])[];
}

const goldens: Goldens = JSON.parse(
  readFileSync(new URL('chat_template_goldens.json', import.meta.url), 'utf8'),
);

function create(source: string): ChatTemplate {
  const template = createChatTemplate(source);
  if (template === null) throw new Error('no template');
  return template;
}

const options = { addGenerationPrompt: true, bosToken: '<s>', eosToken: '</s>' } as const;
const hello: readonly TemplateMessage[] = [{ role: 'user', content: 'hello' }];

describe('as transformers renders it', () => {
  test.each(Object.keys(goldens.templates))('%s', (name) => {
    const template = create(goldens.templates[name]!);
    const cases = goldens.cases.filter((one) => one[0] === name);
    expect(cases.length).toBeGreaterThan(10);
    for (const [, conversation, variables, addGenerationPrompt, want] of cases) {
      const render = (): string =>
        template.render(goldens.conversations[conversation]!, {
          ...options,
          addGenerationPrompt,
          variables,
          now: new Date(goldens.now),
        });
      if (typeof want === 'string') expect(render(), `conversation ${conversation}`).toBe(want);
      else {
        expect(render, `conversation ${conversation}`).toThrow(
          expect.objectContaining({ code: 'bad_request', message: `chat template: ${want.error}` }),
        );
      }
    }
  });

  test('the library alone does not: its differences are why the interpreter is ours', () => {
    const source = '{% for m in messages %}{{ m.content }}{% continue %}{% endfor %}';
    expect(new Template(source).render({ messages: hello })).toBe('');
    expect(create(source).render(hello, options)).toBe('hello');
  });
});

describe('where a template comes from', () => {
  test('no template', () => {
    expect(createChatTemplate(undefined)).toBeNull();
    expect(createChatTemplate(null)).toBeNull();
  });

  test('a list: the one named default, or the only one', () => {
    const tools = { name: 'tool_use', template: 'tools' };
    expect(createChatTemplate([tools, { name: 'default', template: 'plain' }])?.source).toBe('plain');
    expect(createChatTemplate([tools])?.source).toBe('tools');
    expect(() => createChatTemplate([tools, { name: 'rag', template: 'rag' }])).toThrow(
      expect.objectContaining({ code: 'bad_file', message: expect.stringContaining('got "tool_use, rag"') }),
    );
    expect(() => createChatTemplate([{ name: 'default' }])).toThrow(
      expect.objectContaining({ code: 'bad_file' }),
    );
    expect(() => createChatTemplate(7)).toThrow(expect.objectContaining({ code: 'bad_file' }));
  });
});

describe('errors', () => {
  test('a template that cannot be parsed', () => {
    expect(() => createChatTemplate('{% if %}')).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringMatching(/can be parsed/) }),
    );
  });

  test.each([
    ['{{ messages | no_such_filter }}', 'Unknown ArrayValue filter: no_such_filter'],
    ['{{ messages.no_such_method() }}', 'Cannot call something that is not a function'],
    ['{% for m in 3 %}{% endfor %}', 'for: expected a list, got IntegerValue'],
    ['{% for a, b in messages %}{% endfor %}', 'for: expected as many values as variables'],
    ['{{ range(1000000) }}', 'range: expected at most 100000 numbers, got 1000000'],
    ['{{ range(0, 5, 0) }}', 'range: expected at most 100000 numbers'],
    ['{% break %}', 'a break or continue outside a loop'],
  ])('a template that cannot be run: %s', (source, reason) => {
    expect(() => create(source).render(hello, options)).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining(reason) }),
    );
  });

  test('no messages', () => {
    expect(() => create('x').render([], options)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});

function renderOne(source: string, more: object = {}): string {
  return create(source).render([{ role: 'user', content: 'x', ...more }], options);
}

describe('what a template sees', () => {
  test('tools and documents are none, fields that are null are missing', () => {
    expect(renderOne('{{ tools is none }} {{ documents is none }}')).toBe('True True');
    const fields = { name: null, tool_calls: undefined };
    expect(renderOne('{{ messages[0].name is defined }}{{ messages[0] | tojson }}', fields)).toBe(
      'False{"role": "user", "content": "x"}',
    );
  });

  test('special tokens that the model lacks are missing, not none', () => {
    const source = '[{{ bos_token }}]';
    expect(create(source).render(hello, { ...options, bosToken: null })).toBe('[]');
    expect(create(source).render(hello, options)).toBe('[<s>]');
  });

  test('variables of the caller', () => {
    const variables = { enable_thinking: false, tools: [{ name: 'f' }] };
    expect(create('{{ enable_thinking }} {{ tools[0].name }}').render(hello, { ...options, variables })).toBe(
      'False f',
    );
  });

  test('a variable of the template may have the name of a global', () => {
    expect(renderOne('{% set range = 3 %}{{ range }}')).toBe('3');
  });
});

describe('strftime', () => {
  // Python's datetime.strftime, LC_ALL=C.
  test.each([
    [
      new Date(2024, 6, 6, 9, 5, 3),
      '06 Jul 2024 06/07/24 Sat Saturday July 188 09 09 AM 05 03 2024-07-06 09:05:03 6 6',
    ],
    [
      new Date(2023, 11, 31, 23, 59, 9),
      '31 Dec 2023 31/12/23 Sun Sunday December 365 23 11 PM 59 09 2023-12-31 23:59:09 31 0',
    ],
    [
      new Date(2024, 0, 1, 0, 0, 0),
      '01 Jan 2024 01/01/24 Mon Monday January 001 00 12 AM 00 00 2024-01-01 00:00:00 1 1',
    ],
  ])('%s', (date, want) => {
    expect(strftime(date, '%d %b %Y %d/%m/%y %a %A %B %j %H %I %p %M %S %F %T %-d %w')).toBe(want);
  });

  test('other codes stay, a percent sign is itself', () => {
    expect(strftime(new Date(2024, 6, 6), '100%% %Q %e %-j')).toBe('100% %Q  6 188');
  });
});
