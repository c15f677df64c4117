import { Environment, parse, tokenize } from '@huggingface/jinja';
import { WebMlaError } from '../core/errors.ts';
import { ChatInterpreter } from './chat_interpreter.ts';
import { ControlMarks, stringsIn } from './control_marks.ts';
import { asList, badField, isObject } from './json_fields.ts';
import { strftime } from './strftime.ts';
import type { TextPiece } from './tokenizer.ts';

/** A message as the template sees it. Further fields are passed on; null and undefined ones are left out. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** Ends with the beginning of the assistant's answer. */
  readonly addGenerationPrompt: boolean;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** For templates that write the date. Default: now. */
  readonly now?: Date;
  /** Further names that the template knows, such as enable_thinking. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  readonly source: string;
  /**
   * The conversation as one text, as transformers' apply_chat_template(tokenize=False) renders it.
   * @throws bad_request with the template's own message when it refuses the messages, or without messages;
   *   unsupported when it uses something that this Jinja lacks
   */
  render(messages: readonly TemplateMessage[], options: RenderOptions): string;
  /**
   * The same in pieces for Tokenizer.encodePieces: control tokens that stand in a message are plain text, those that the
   * template writes are parsed. Joined, the pieces are what `render` gives, unless a message holds control tokens and the
   * template cuts or measures its messages at just those places.
   * @param controlTokens Tokenizer.controlTokens
   */
  renderPieces(
    messages: readonly TemplateMessage[],
    options: RenderOptions & { readonly controlTokens: readonly string[] },
  ): TextPiece[];
}

/**
 * @param source `chat_template` of tokenizer_config.json, or the text of chat_template.jinja: a template, or a list of
 *   {name, template}, of which 'default' is taken
 * @returns null when there is none
 * @throws bad_file for a list without a default, unsupported for a template that cannot be parsed
 */
export function createChatTemplate(source: unknown): ChatTemplate | null {
  const text = chooseTemplate(source);
  if (text === null) return null;
  let program: ReturnType<typeof parse>;
  try {
    // transformers' settings.
    program = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw unsupportedTemplate('parsed', error);
  }
  const run = (messages: unknown, options: RenderOptions, marks: string): string => {
    const scope = new Environment(globals(options.now ?? new Date()));
    const { addGenerationPrompt, bosToken, eosToken, variables = {} } = options;
    const values: Record<string, unknown> = {
      messages,
      add_generation_prompt: addGenerationPrompt,
      tools: null,
      documents: null,
      ...(bosToken === null ? {} : { bos_token: bosToken }),
      ...(eosToken === null ? {} : { eos_token: eosToken }),
      ...variables,
    };
    try {
      for (const [name, value] of Object.entries(values)) scope.set(name, value);
      return new ChatInterpreter(scope, marks).run(program).toString();
    } catch (error) {
      if (error instanceof WebMlaError) throw error;
      throw unsupportedTemplate('run', error);
    }
  };
  return {
    source: text,
    render: (messages, options) => run(readMessages(messages), options, ''),
    renderPieces: (messages, options) => {
      const clean = readMessages(messages);
      const rendered = run(clean, options, '');
      const marks = new ControlMarks(options.controlTokens, [
        text,
        ...stringsIn(clean),
        ...stringsIn(options.variables),
      ]);
      const marked = marks.mark(clean);
      if (JSON.stringify(marked) === JSON.stringify(clean))
        return [{ text: rendered, specialTokens: 'parse' }];
      const renderedMarked = run(marked, options, marks.both);
      return marks.pieces(renderedMarked, marks.unmark(renderedMarked) !== rendered);
    },
  };
}

function chooseTemplate(source: unknown): string | null {
  if (source === undefined || source === null) return null;
  if (typeof source === 'string') return source;
  const named = new Map<string, string>();
  for (const entry of asList(source, 'chat_template')) {
    if (!isObject(entry) || typeof entry['name'] !== 'string' || typeof entry['template'] !== 'string') {
      throw badField('chat_template', 'a list of {name, template}', entry);
    }
    named.set(entry['name'], entry['template']);
  }
  const chosen = named.get('default') ?? (named.size === 1 ? [...named.values()][0] : undefined);
  if (chosen === undefined)
    throw badField('chat_template', "one named 'default'", [...named.keys()].join(', '));
  return chosen;
}

/** As transformers does: some templates cannot bear a field that is null. */
function readMessages(messages: readonly TemplateMessage[]): readonly Record<string, unknown>[] {
  if (messages.length === 0) {
    throw new WebMlaError(
      'bad_request',
      'messages: expected at least one message, got none',
      'Add a user message.',
    );
  }
  return messages.map((message) =>
    Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null && value !== undefined)),
  );
}

/** Longest list that `range` makes, as in Jinja's sandbox. */
const MAX_RANGE = 100_000;

/** The names that every template knows in transformers. The library's own set cannot be changed once it is made. */
function globals(now: Date): Environment {
  const environment = new Environment();
  for (const [name, value] of [
    ['true', true],
    ['false', false],
    ['none', null],
  ] as const) {
    environment.set(name, value);
    environment.set(name.charAt(0).toUpperCase() + name.slice(1), value);
  }
  environment.set('raise_exception', (message: unknown) => {
    throw new WebMlaError(
      'bad_request',
      `chat template: ${String(message)}`,
      'The model takes no such conversation: mind its roles and their order.',
    );
  });
  environment.set('strftime_now', (format: unknown) => strftime(now, String(format)));
  environment.set('range', (first: number, second?: number, step = 1) => {
    const start = second === undefined ? 0 : first;
    const stop = second ?? first;
    const length = Math.max(0, Math.ceil((stop - start) / step));
    if (!(length <= MAX_RANGE))
      throw new Error(`range: expected at most ${MAX_RANGE} numbers, got ${length}`);
    return Array.from({ length }, (_, i) => start + i * step);
  });
  return environment;
}

function unsupportedTemplate(what: 'parsed' | 'run', error: unknown): WebMlaError {
  const reason = error instanceof Error ? error.message : String(error);
  return new WebMlaError(
    'unsupported',
    `chat template: expected Jinja that can be ${what}, got: ${reason}`,
    'Write the prompt as text and use completions, or give a simpler template.',
    {},
    error,
  );
}
