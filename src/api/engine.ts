import { WebMlaError } from '../core/errors.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Completion,
  CompletionChunk,
  CompletionRequest,
  EngineCore,
  EngineInfo,
  FinishReason,
  Usage,
} from '../runtime/types.ts';

/** Chunks as they come. Leaving the loop early (`break`, `return`, an exception) stops the model. */
export type ChunkStream<Chunk> = AsyncIterableIterator<Chunk>;

interface ChatCompletions {
  create(
    request: ChatCompletionRequest & { readonly stream: true },
  ): Promise<ChunkStream<ChatCompletionChunk>>;
  create(request: ChatCompletionRequest & { readonly stream?: false }): Promise<ChatCompletion>;
  create(request: ChatCompletionRequest): Promise<ChatCompletion | ChunkStream<ChatCompletionChunk>>;
}

interface Completions {
  create(request: CompletionRequest & { readonly stream: true }): Promise<ChunkStream<CompletionChunk>>;
  create(request: CompletionRequest & { readonly stream?: false }): Promise<Completion>;
  create(request: CompletionRequest): Promise<Completion | ChunkStream<CompletionChunk>>;
}

/** A model that is loaded, with OpenAI's surface. Made by createEngine. */
export class Engine {
  /** `create` rejects a bad request at once. Requests are answered one after another, in the order in which they are read. */
  readonly chat: { readonly completions: ChatCompletions };
  readonly completions: Completions;
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
    // What `stream` says about the answer is beyond what the compiler can follow through one implementation.
    // oxlint-disable-next-line no-unsafe-type-assertion
    this.chat = { completions: { create: this.#createChat.bind(this) as ChatCompletions['create'] } };
    // oxlint-disable-next-line no-unsafe-type-assertion
    this.completions = { create: this.#createCompletion.bind(this) as Completions['create'] };
  }

  get info(): EngineInfo {
    return this.#core.info;
  }

  /** Resolves with the reason when the GPU device or the worker is lost. Create a new engine then. */
  get lost(): Promise<WebMlaError> {
    return this.#core.lost();
  }

  /** Frees the GPU's memory and ends the worker. Running requests end with `engine_state`. */
  dispose(): void {
    this.#core.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #createChat(
    request: ChatCompletionRequest,
  ): Promise<ChatCompletion | ChunkStream<ChatCompletionChunk>> {
    const { signal, ...rest } = request;
    const chunks = this.#core.chat(rest, signal);
    if (request.stream === true) return begun(chunks);
    let content = '';
    const all = await collect(chunks, ({ choices: [choice] }) => {
      content += choice.delta.content ?? '';
      return choice.finish_reason;
    });
    const { id, created, model } = all.last;
    return {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: all.finishReason }],
      usage: all.usage,
      webmla: { ...all.last.webmla, token_ids: all.ids },
    };
  }

  async #createCompletion(request: CompletionRequest): Promise<Completion | ChunkStream<CompletionChunk>> {
    const { signal, ...rest } = request;
    const chunks = this.#core.complete(rest, signal);
    if (request.stream === true) return begun(chunks);
    let text = '';
    const all = await collect(chunks, ({ choices: [choice] }) => {
      text += choice.text;
      return choice.finish_reason;
    });
    return {
      ...all.last,
      choices: [{ index: 0, text, finish_reason: all.finishReason }],
      usage: all.usage,
      webmla: { ...all.last.webmla, token_ids: all.ids },
    };
  }
}

/** Waits for the first chunk, which says that the request was accepted: create() itself rejects what is not. */
async function begun<Chunk>(chunks: AsyncGenerator<Chunk, void>): Promise<ChunkStream<Chunk>> {
  const first = await chunks.next();
  let taken = false;
  const next = async (): Promise<IteratorResult<Chunk, void>> => {
    if (taken) return chunks.next();
    taken = true;
    return first;
  };
  const stream: ChunkStream<Chunk> = {
    next,
    return: () => chunks.return(),
    throw: (error: unknown) => chunks.throw(error),
    [Symbol.asyncIterator]: () => stream,
  };
  return stream;
}

async function collect<Chunk extends ChatCompletionChunk | CompletionChunk>(
  chunks: AsyncIterable<Chunk>,
  take: (chunk: Chunk) => FinishReason | null,
): Promise<{ last: Chunk; finishReason: FinishReason; usage: Usage; ids: number[] }> {
  const ids: number[] = [];
  for await (const chunk of chunks) {
    ids.push(...(chunk.webmla.token_ids ?? []));
    const finishReason = take(chunk);
    if (finishReason !== null && chunk.usage) return { last: chunk, finishReason, usage: chunk.usage, ids };
  }
  throw new WebMlaError('internal', 'answer: expected a last chunk with usage, got none');
}
