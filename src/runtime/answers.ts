import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { ChatTemplate } from '../text/chat_template.ts';
import { StopMatcher } from '../text/stop_strings.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { checkMessages, Conversation } from './conversation.ts';
import { checkFields, planSampling } from './sampling.ts';
import type { SamplingPlan } from './sampling.ts';
import type { LogitsSink, Session } from './session.ts';
import { runTurn } from './turn.ts';
import type { TurnEnd, TurnInput } from './turn.ts';
import type {
  ChatCompletionChunk,
  ChatCompletionRequest,
  CompletionChunk,
  CompletionRequest,
  EngineInfo,
  EngineOptions,
  FinishReason,
  Usage,
  WebMlaExtras,
} from './types.ts';

export interface AnswersOptions {
  /** Model name, for `model` in the chunks. */
  readonly name: string;
  readonly session: Session;
  readonly tokenizer: Tokenizer | null;
  readonly template: ChatTemplate | null;
  readonly defaults: EngineInfo['defaults'];
  readonly eosIds: ReadonlySet<number>;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly onContextFull: NonNullable<EngineOptions['onContextFull']>;
}

/** Share of the context that a chat keeps free for the answer before it lets old turns go. */
const ANSWER_SHARE = 1 / 4;

/** What all chunks of one answer have in common. */
interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** Requests in OpenAI's shapes to chunks in OpenAI's shapes, one request at a time. */
export class Answers {
  readonly #options: AnswersOptions;
  /** Settles when the request before is through. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  async *chat(
    request: ChatCompletionRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<ChatCompletionChunk, void> {
    checkFields(request, ['messages']);
    checkMessages(request.messages);
    const { messages } = request;
    const { session, defaults, contextLength } = this.#options;
    const started = performance.now();
    const tokenizer = this.#tokenizer('chat');
    const conversation = new Conversation(tokenizer, this.#options.template);
    const plan = planSampling(request, defaults, newSeed());
    const reserve = Math.min(plan.maxTokens ?? Infinity, Math.ceil(contextLength * ANSWER_SHARE));
    let { ids: prompt, dropped } = this.#fit(conversation, messages, contextLength - reserve);
    const head = this.#head('chatcmpl');
    const extras = (): WebMlaExtras => ({
      context_tokens: session.length,
      ...(dropped > 0 && { dropped_messages: dropped }),
    });
    const chunk = (
      delta: ChatCompletionChunk['choices'][0]['delta'],
      finish_reason: FinishReason | null,
      ids: readonly number[],
      usage?: Usage,
    ): ChatCompletionChunk => ({
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason }],
      webmla: { ...extras(), token_ids: ids },
      ...(usage && { usage }),
    });
    const input: TurnInput = {
      ...this.#input(plan, signal),
      prompt,
      after: [],
      shorten: (generated) => {
        const next =
          this.#options.onContextFull === 'error'
            ? null
            : this.#shorten(conversation, messages, dropped, generated);
        if (next) dropped = next.dropped;
        return next && [...next.ids, ...generated];
      },
    };
    // Before the wait: a stream that nobody reads must not hold up the requests behind it.
    yield chunk({ role: 'assistant', content: '' }, null, []);
    const release = await this.#wait(signal);
    try {
      const turn = runTurn(session, tokenizer, input);
      for (;;) {
        const { value, done } = await turn.next();
        if (done === true) {
          const usage = includeUsage(request) ? usageOf(prompt.length, value, started) : undefined;
          yield chunk({}, value.finishReason, [], usage);
          return;
        }
        yield chunk({ content: value.text }, null, value.ids);
      }
    } finally {
      release();
    }
  }

  async *complete(
    request: CompletionRequest,
    signal?: AbortSignal,
    onLogits?: LogitsSink,
  ): AsyncGenerator<CompletionChunk, void> {
    checkFields(request, ['prompt']);
    const { session, defaults, contextLength, tokenizer } = this.#options;
    const started = performance.now();
    const plan = planSampling(request, defaults, newSeed());
    const prompt = this.promptIds(request.prompt);
    if (prompt.length > contextLength) throw contextFull(prompt.length, contextLength);
    const head = this.#head('cmpl');
    const chunk = (
      text: string,
      finish_reason: FinishReason | null,
      ids: readonly number[],
      usage?: Usage,
    ): CompletionChunk => ({
      ...head,
      object: 'text_completion',
      choices: [{ index: 0, text, finish_reason }],
      webmla: { context_tokens: session.length, token_ids: ids },
      ...(usage && { usage }),
    });
    const input = { ...this.#input(plan, signal), prompt, after: prompt, onLogits, shorten: () => null };
    yield chunk('', null, []);
    const release = await this.#wait(signal);
    try {
      const turn = runTurn(session, tokenizer, input);
      for (;;) {
        const { value, done } = await turn.next();
        if (done === true) {
          const usage = includeUsage(request) ? usageOf(prompt.length, value, started) : undefined;
          yield chunk('', value.finishReason, [], usage);
          return;
        }
        yield chunk(value.text, null, value.ids);
      }
    } finally {
      release();
    }
  }

  #input(
    plan: SamplingPlan,
    signal: AbortSignal | undefined,
  ): Pick<TurnInput, 'plan' | 'matcher' | 'eosIds' | 'room' | 'signal'> {
    return {
      plan,
      matcher: new StopMatcher(plan.stops),
      eosIds: this.#options.eosIds,
      room: this.#options.contextLength,
      signal,
    };
  }

  /** The messages that fit into `most` ids, or, where the answer's reserve is what does not fit, into the context. */
  #fit(
    conversation: Conversation,
    messages: ChatCompletionRequest['messages'],
    most: number,
  ): { ids: number[]; dropped: number } {
    const { contextLength, onContextFull } = this.#options;
    const whole = conversation.promptIds(messages);
    if (whole.length <= most) return { ids: whole, dropped: 0 };
    if (onContextFull === 'error') {
      if (whole.length < contextLength) return { ids: whole, dropped: 0 };
      throw contextFull(whole.length, contextLength);
    }
    const fitted = conversation.fit(messages, most, 1) ?? conversation.fit(messages, contextLength - 1);
    if (!fitted) throw contextFull(whole.length, contextLength);
    return fitted;
  }

  /** In the middle of an answer: one turn fewer, and more, until half of the answer's share is free again. */
  #shorten(
    conversation: Conversation,
    messages: ChatCompletionRequest['messages'],
    dropped: number,
    generated: readonly number[],
  ): { ids: number[]; dropped: number } | null {
    const { contextLength } = this.#options;
    const most = contextLength - generated.length - Math.ceil((contextLength * ANSWER_SHARE) / 2);
    const next = conversation.fit(messages, most, 1);
    return next && next.dropped > dropped ? next : null;
  }

  messageIds(messages: ChatCompletionRequest['messages']): readonly number[] {
    return new Conversation(this.#tokenizer('chat'), this.#options.template).promptIds(messages);
  }

  promptIds(prompt: CompletionRequest['prompt']): readonly number[] {
    if (typeof prompt === 'string') {
      const ids = this.#tokenizer('a text prompt').encode(prompt, {
        specialTokens: 'parse',
        addSpecialTokens: true,
      });
      if (ids.length === 0)
        throw new WebMlaError('bad_request', 'prompt: expected at least one token, got an empty text');
      return ids;
    }
    const { vocabSize } = this.#options;
    if (!Array.isArray(prompt) || prompt.length === 0) {
      throw new WebMlaError(
        'bad_request',
        `prompt: expected a text or token ids, got ${JSON.stringify(prompt)}`,
      );
    }
    const bad: unknown = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (bad !== undefined) {
      throw new WebMlaError(
        'bad_request',
        `prompt: expected ids from 0 to ${vocabSize - 1}, got ${JSON.stringify(bad)}`,
      );
    }
    return prompt;
  }

  #tokenizer(forWhat: string): Tokenizer {
    const { tokenizer, name } = this.#options;
    if (tokenizer) return tokenizer;
    throw new WebMlaError(
      'missing_file',
      `${name}: expected tokenizer.json for ${forWhat}, got no such file`,
      'Add tokenizer.json and tokenizer_config.json, or pass token ids to completions.create().',
    );
  }

  #head(prefix: string): Head {
    return {
      id: `${prefix}-${crypto.randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: this.#options.name,
    };
  }

  /** Waits for the request before. @returns what ends this one's turn */
  async #wait(signal: AbortSignal | undefined): Promise<() => void> {
    const before = this.#turn;
    const { promise, resolve: release } = openPromise();
    this.#turn = promise;
    // A request that is cancelled while it waits passes its turn on when it comes.
    await before;
    if (signal?.aborted) release();
    throwIfAborted(signal);
    return release;
  }
}

/** Promise.withResolvers, which Node 20 lacks. */
function openPromise(): { promise: Promise<void>; resolve: () => void } {
  const resolvers: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => {
    resolvers.push(resolve);
  });
  return { promise, resolve: () => resolvers.forEach((resolve) => resolve()) };
}

function contextFull(length: number, contextLength: number): WebMlaError {
  return new WebMlaError(
    'context_full',
    `prompt: expected at most ${contextLength} tokens, got ${length}`,
    'Shorten the last message, start a new chat, or create the engine with a larger contextLength.',
    { length, contextLength },
  );
}

function includeUsage(request: ChatCompletionRequest | CompletionRequest): boolean {
  return request.stream_options?.include_usage === true || request.stream !== true;
}

function usageOf(promptTokens: number, end: TurnEnd, started: number): Usage {
  const { prefill, decodeMs, completionTokens } = end;
  const computed = promptTokens - prefill.cachedTokens;
  const wait = Math.max(0, performance.now() - started - decodeMs);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: prefill.cachedTokens },
    timings: {
      time_to_first_token_ms: wait,
      prefill_ms: prefill.prefillMs,
      decode_ms: decodeMs,
      prefill_tokens_per_second: perSecond(computed, prefill.prefillMs),
      decode_tokens_per_second: perSecond(completionTokens - 1, decodeMs),
    },
  };
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count * 1000) / ms : 0;
}

function newSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
