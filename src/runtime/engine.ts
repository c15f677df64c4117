import { cacheBytesPerToken } from '../core/cache_rows.ts';
import { asWebMlaError, WebMlaError } from '../core/errors.ts';
import { parameterCount } from '../formats/checkpoint.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import { createChatTemplate } from '../text/chat_template.ts';
import { createTokenizer } from '../text/tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { Answers } from './answers.ts';
import type { Conversion } from './convert_files.ts';
import { loadModel } from './load.ts';
import type { LoadedModel } from './load.ts';
import { measureDepth } from './readback_latency.ts';
import { samplingDefaults } from './sampling.ts';
import { Session } from './session.ts';
import { tokenizerFilesOf } from './tokenizer_of.ts';
import type { LogitsSink } from './session.ts';
import type {
  AttentionForm,
  ChatCompletionChunk,
  ChatCompletionRequest,
  CompletionChunk,
  CompletionRequest,
  EngineCore,
  EngineInfo,
  EngineOptions,
  LoadProgress,
} from './types.ts';

/** Options once the model's files are at hand: what is left is the same in a page, a worker and Node. */
export interface LocalEngineOptions extends Pick<
  EngineOptions,
  'weights' | 'cacheDtype' | 'prefillMath' | 'contextLength' | 'onContextFull' | 'signal'
> {
  /** See attentionChoice: a conversion that was asked for is made before. */
  readonly attention?: AttentionForm | undefined;
  readonly files: ModelFiles;
  readonly gpu: GPU | undefined;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** What happened on the way to the files and is worth knowing; for EngineInfo.notes. */
  readonly notes?: readonly string[];
  /** Builds what the logits of prompt positions need. */
  readonly promptLogits?: boolean;
  /** How the files were made, if they were converted on the way here. */
  readonly conversion?: Conversion;
}

/** The engine on this thread. One request runs at a time; others wait their turn. */
export class LocalEngine implements EngineCore {
  readonly info: EngineInfo;
  /** null when the checkpoint has no tokenizer files: prompts are then ids. */
  readonly tokenizer: Tokenizer | null;
  readonly #gpu: Gpu;
  readonly #model: LoadedModel;
  readonly #answers: Answers;
  #disposed = false;

  private constructor(
    gpu: Gpu,
    model: LoadedModel,
    tokenizer: Tokenizer | null,
    info: EngineInfo,
    answers: Answers,
  ) {
    this.#gpu = gpu;
    this.#model = model;
    this.tokenizer = tokenizer;
    this.info = info;
    this.#answers = answers;
  }

  /** @throws WebMlaError of any kind that the files, the options or the GPU cause */
  static async create(options: LocalEngineOptions): Promise<LocalEngine> {
    const started = performance.now();
    const onProgress = options.onProgress ?? (() => {});
    const gpu = await openGpu(options.gpu);
    try {
      const checkpoint = await openCheckpoint(options.files, options.signal);
      const attention = formOf(checkpoint, options.attention);
      const files = tokenizerFilesOf(checkpoint);
      const tokenizer = files && createTokenizer(files);
      const template = files && createChatTemplate(files.tokenizerConfig['chat_template']);
      const depth = await measureDepth(gpu);
      const model = await loadModel(checkpoint, gpu, {
        attention,
        weights: options.weights ?? 'as-is',
        cacheDtype: options.cacheDtype ?? checkpoint.latent?.cacheDtype ?? 'f16',
        prefillMath: options.prefillMath,
        contextLength: options.contextLength,
        promptLogits: options.promptLogits ?? false,
        spare: depth,
        onProgress,
        signal: options.signal,
      });
      const session = new Session(gpu, model.plan, model.config.vocab_size, model.buffers, depth);
      const defaults = samplingDefaults(checkpoint.generation);
      const answers = new Answers({
        name: checkpoint.name,
        session,
        tokenizer,
        template,
        defaults,
        eosIds: eosIds(checkpoint, tokenizer),
        contextLength: model.contextLength,
        vocabSize: model.config.vocab_size,
        onContextFull: options.onContextFull ?? 'drop_oldest',
      });
      const info = describe(checkpoint, gpu, model, attention, {
        hasChatTemplate: template !== null,
        defaults,
        loadMs: performance.now() - started + (options.conversion?.ms ?? 0),
        conversion: options.conversion?.reports ?? model.conversion,
        convertMs: options.conversion?.ms ?? model.convertMs,
        notes: [...(options.notes ?? []), ...model.notes],
      });
      return new LocalEngine(gpu, model, tokenizer, info, answers);
    } catch (error) {
      gpu.device.destroy();
      throw asWebMlaError(gpu.failure() ?? error);
    }
  }

  chat(request: ChatCompletionRequest, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk, void> {
    return this.#guard(this.#answers.chat(request, signal));
  }

  complete(
    request: CompletionRequest,
    signal?: AbortSignal,
    onLogits?: LogitsSink,
  ): AsyncGenerator<CompletionChunk, void> {
    return this.#guard(this.#answers.complete(request, signal, onLogits));
  }

  /** Ids of a prompt as complete() makes them. @throws WebMlaError without a tokenizer, or for an empty text */
  promptIds(prompt: CompletionRequest['prompt']): readonly number[] {
    return this.#answers.promptIds(prompt);
  }

  /** Ids of a conversation as chat() makes them. */
  messageIds(messages: ChatCompletionRequest['messages']): readonly number[] {
    return this.#answers.messageIds(messages);
  }

  /** Frees the GPU. Running requests end with an error. */
  dispose(): void {
    this.#disposed = true;
    this.#model.buffers.destroy();
    this.#gpu.device.destroy();
  }

  /** Resolves with the reason when the device is lost; never after dispose(). */
  async lost(): Promise<WebMlaError> {
    const error = await this.#gpu.lost;
    return this.#disposed ? new Promise<WebMlaError>(() => {}) : error;
  }

  async *#guard<T>(chunks: AsyncGenerator<T, void>): AsyncGenerator<T, void> {
    if (this.#disposed)
      throw new WebMlaError('engine_state', 'engine: expected one in use, got one disposed of');
    try {
      yield* chunks;
    } catch (error) {
      if (this.#disposed)
        throw new WebMlaError('engine_state', 'engine: it was disposed of during the request');
      throw asWebMlaError(this.#gpu.failure() ?? error);
    }
  }
}

/** What a checkpoint is, unless something else is wanted. @throws WebMlaError `unsupported`: there is no way back from MLA */
export function formOf({ name, latent }: Checkpoint, wanted: AttentionForm | undefined): AttentionForm {
  if (!latent) return wanted ?? 'gqa';
  if (wanted !== 'gqa') return 'mla';
  throw new WebMlaError(
    'unsupported',
    `${name}: attention: expected 'mla', got 'gqa'`,
    'This checkpoint was converted; GQA runs from the original.',
    { attention: 'mla' },
  );
}

/** generation_config.json first, then config.json; the tokenizer's own end token always counts too. */
export function eosIds(checkpoint: Checkpoint, tokenizer: Tokenizer | null): ReadonlySet<number> {
  const named = checkpoint.generation.eos_token_id ?? checkpoint.config.eos_token_id;
  return new Set([...named, ...(tokenizer?.eosTokenIds ?? [])]);
}

function convertedOf({ latent }: Checkpoint): EngineInfo['converted'] {
  const [first] = latent?.layers ?? [];
  return latent && first ? { method: latent.method, form: first.latent } : null;
}

function describe(
  checkpoint: Checkpoint,
  gpu: Gpu,
  model: LoadedModel,
  attention: AttentionForm,
  more: Pick<EngineInfo, 'hasChatTemplate' | 'defaults' | 'loadMs' | 'conversion' | 'convertMs' | 'notes'>,
): EngineInfo {
  const { config, plan } = model;
  const cacheDtype = plan.cacheFormat;
  const { num_key_value_heads: groups, head_dim, mla } = config;
  const gqaRow = { groups, row_dim: head_dim + (mla?.v_head_dim ?? head_dim), split_dim: head_dim };
  return {
    model: checkpoint.name,
    architecture: config.architecture,
    parameters: parameterCount(checkpoint),
    attention,
    converted: convertedOf(checkpoint),
    weightFormats: model.formatBytes,
    cacheDtype,
    contextLength: model.contextLength,
    kvBytesPerToken: plan.kvBytesPerToken,
    gqaKvBytesPerToken: config.num_hidden_layers * cacheBytesPerToken(gqaRow, cacheDtype),
    adapter: gpu.info,
    memory: {
      weights: model.weightBytes,
      cache: plan.cacheBytes,
      activations: model.buffers.bytes - model.weightBytes - plan.cacheBytes,
    },
    dispatchesPerToken: plan.dispatchesAt(0),
    ...more,
  };
}
