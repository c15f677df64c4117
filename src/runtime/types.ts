import type { LayerReport } from '../convert/report.ts';
import type { ErrorCode, WebMlaError } from '../core/errors.ts';
import type { LatentForm } from '../core/layers.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { PrefillMath } from '../model/plan.ts';

export type { PrefillMath };

/** The public vocabulary: options, requests and answers, in OpenAI's shapes where OpenAI has one. */

/**
 * Where a checkpoint comes from:
 *  - a string or URL: http(s) address of a folder in Hugging Face layout, of a .gguf or of a .safetensors file beside its
 *    config.json; anything else of the form `owner/name` (optionally `owner/name@revision` or `owner/name/file.gguf`) is
 *    a repository of the Hugging Face Hub. In Node (webmla/node) a path that begins with / or . is a local file or folder.
 *  - a File, FileList or array of Files: one .gguf, or the files of such a folder
 *  - a FileSystemDirectoryHandle or FileSystemFileHandle
 */
export type ModelSource =
  | string
  | URL
  | File
  | FileList
  | readonly File[]
  | FileSystemDirectoryHandle
  | FileSystemFileHandle;

export type WeightChoice = 'as-is' | 'f32' | 'f16' | 'q8' | 'q4';
/** int8, int4: groups of 32 values with a step and a minimum, the first token exact. */
export type CacheDtype = 'f32' | 'f16' | 'int8' | 'int4';
export type AttentionForm = 'gqa' | 'mla';

/**
 * How a GQA checkpoint becomes MLA. `exact` loses nothing and shrinks nothing (TransMLA, arXiv 2502.07864, version 1); the other
 * methods calibrate on text and shrink the cache to a budget (docs/conversion.md), for which they need one of `kvBudget` and
 * `kv_lora_rank`.
 */
export interface MlaOptions {
  readonly form: 'mla';
  /** Default: 'webmla' with a budget, else 'exact'. */
  readonly method?: 'exact' | 'webmla' | 'transmla' | 'mha2mla';
  /** Share of the model's own f16 GQA cache, in bytes, above 0 and at most 1; what `cacheDtype` takes is counted. */
  readonly kvBudget?: number;
  /** Or the rise of ln perplexity that is accepted, on text that the calibration does not see: the fewest bytes within it. 'webmla' only. */
  readonly maxLoss?: number;
  /** The widths themselves, in values a token and layer. */
  readonly kv_lora_rank?: number;
  readonly qk_rope_head_dim?: number;
  /** What a row of the cache holds. Default: the best for a budget, 'reuse' for widths, 'strict' with other methods than webmla. */
  readonly latent?: LatentForm;
  /** Default true: o_proj is fitted again behind the new cache. */
  readonly refit?: boolean;
  /** Steps of Adam on all maps of each layer. Default 0; 80 take several times as long as all the rest. */
  readonly refineSteps?: number;
  /** Text that the model should be good at, and how many of its tokens are used (default 32,768). Default: a text of the package. */
  readonly calibration?: { readonly text?: string; readonly tokens?: number };
}

export interface EngineOptions {
  readonly model: ModelSource;
  /** Default: what the checkpoint is. */
  readonly attention?: AttentionForm | MlaOptions;
  /** Default 'as-is': types that the kernels read stay bit for bit, others become q8. */
  readonly weights?: WeightChoice;
  /** Default: what a conversion chose for its result, else 'f16'. */
  readonly cacheDtype?: CacheDtype;
  /**
   * Default 'exact'. 'int8': activations of prompts are rounded to 8 bits in groups of 32 where weights have 4 or 8 bits, as
   * onnxruntime's accuracy level 4 does: several times faster, at a price in accuracy (docs/benchmarks.md). Answers are decoded exactly.
   */
  readonly prefillMath?: PrefillMath;
  /** Tokens that the cache is made for. Default: what the model was trained for, at most 4,096. */
  readonly contextLength?: number;
  /** What a conversation that outgrows the context does: lose its oldest turns (default), or fail with `context_full`. */
  readonly onContextFull?: 'drop_oldest' | 'error';
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
  /**
   * true (default where Worker exists): an own worker; false: on this thread; or a Worker (or a function that makes one)
   * that runs `webmla/worker`, for bundlers that cannot follow the default.
   */
  readonly worker?: boolean | Worker | (() => Worker);
  /** Default true: files from the network are kept in OPFS, keyed by their SHA-256, and not fetched again. */
  readonly store?: boolean;
  readonly hub?: HubOptions;
}

export interface HubOptions {
  /** Default https://huggingface.co */
  readonly url?: string;
  readonly accessToken?: string;
}

export type LoadStage =
  | 'read'
  | 'calibrate'
  | 'search'
  | 'refine'
  | 'convert'
  | 'measure'
  | 'upload'
  | 'warm up';

/**
 * Stages come in this order, but `convert` between the layers of `refine`, and only those that there is work for. `read` may be long (a
 * download), and so may `calibrate` to `measure` of a conversion that shrinks the cache. `loaded` of `calibrate` may be part of a layer;
 * `search` may end before its total.
 */
export interface LoadProgress {
  readonly stage: LoadStage;
  /** Done so far and in all, in `unit`; total is 0 while it is not known. */
  readonly loaded: number;
  readonly total: number;
  readonly unit: 'bytes' | 'layers' | 'steps';
  /** File or tensor at hand, for display. */
  readonly item?: string;
  /** True while `read` is served from the local store and not from the network. */
  readonly cached?: boolean;
}

export type Role = 'system' | 'user' | 'assistant';

export interface ChatMessage {
  readonly role: Role;
  readonly content: string;
}

/** Fields that both kinds of request share. A field left out takes the model's generation_config.json, then the default. */
export interface SamplingParams {
  /** 0 is greedy. Default 1, or 0 if generation_config says do_sample: false. */
  readonly temperature?: number;
  /** Default 1: off. */
  readonly top_p?: number;
  /** Default 0: off. */
  readonly top_k?: number;
  /** Tokens less likely than this share of the likeliest one are left out. Default 0: off. */
  readonly min_p?: number;
  /** Divides positive and multiplies negative logits of all tokens seen so far, prompt included. Default 1: off. */
  readonly repetition_penalty?: number;
  /** Subtracted once, and once per occurrence, from the logits of tokens generated so far (OpenAI). Default 0. */
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  /** 32-bit integer. Same seed, prompt and device: same answer. Default: random. */
  readonly seed?: number;
  readonly max_tokens?: number;
  readonly stop?: string | readonly string[];
  /** Do not stop at the model's end tokens. For measurements. */
  readonly ignore_eos?: boolean;
}

export interface ChatCompletionRequest extends SamplingParams {
  readonly messages: readonly ChatMessage[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly signal?: AbortSignal;
}

export interface CompletionRequest extends SamplingParams {
  /** Text, or token ids. */
  readonly prompt: string | readonly number[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly signal?: AbortSignal;
}

/**
 * `stop`: an end token or a stop string; `length`: max_tokens, or the context is full and nothing can go.
 * A cancelled request does not finish: it throws `aborted` (or ends silently when its loop was left by `break`).
 */
export type FinishReason = 'stop' | 'length';

export interface Timings {
  /** Waiting for the first token, from the call of create(). */
  readonly time_to_first_token_ms: number;
  readonly prefill_ms: number;
  readonly decode_ms: number;
  readonly prefill_tokens_per_second: number;
  readonly decode_tokens_per_second: number;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  /** Tokens of the prompt that were still in the cache and were not computed again. */
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly timings: Timings;
}

/** What webmla adds to OpenAI's objects. */
export interface WebMlaExtras {
  /** Tokens in the cache after this chunk. */
  readonly context_tokens: number;
  /** Messages that no longer fit and were left out, oldest first; absent when none. */
  readonly dropped_messages?: number;
  readonly token_ids?: readonly number[];
}

/** The first chunk has no text: it says that the request was accepted. */
export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly delta: { readonly role?: 'assistant'; readonly content?: string };
      readonly finish_reason: FinishReason | null;
    },
  ];
  /** On the last chunk, if stream_options.include_usage. */
  readonly usage?: Usage;
  readonly webmla: WebMlaExtras;
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly message: { readonly role: 'assistant'; readonly content: string };
      readonly finish_reason: FinishReason;
    },
  ];
  readonly usage: Usage;
  readonly webmla: WebMlaExtras;
}

/** The first chunk has no text, as above. */
export interface CompletionChunk {
  readonly id: string;
  readonly object: 'text_completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    { readonly index: 0; readonly text: string; readonly finish_reason: FinishReason | null },
  ];
  readonly usage?: Usage;
  readonly webmla: WebMlaExtras;
}

export interface Completion extends CompletionChunk {
  readonly choices: readonly [
    { readonly index: 0; readonly text: string; readonly finish_reason: FinishReason },
  ];
  readonly usage: Usage;
}

export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** True for SwiftShader, lavapipe and the like: right, but slow. */
  readonly software: boolean;
  readonly features: readonly string[];
}

/** Bytes on the device. */
export interface MemoryUse {
  readonly weights: number;
  readonly cache: number;
  readonly activations: number;
}

export interface EngineInfo {
  readonly model: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly attention: AttentionForm;
  /** Of a checkpoint that `webmla convert` made: by which method, in which form. null: the checkpoint is as it was trained. */
  readonly converted: { readonly method: string; readonly form: LatentForm } | null;
  /** Weight formats on the device and the bytes of each. */
  readonly weightFormats: Readonly<Partial<Record<WeightFormat, number>>>;
  readonly cacheDtype: CacheDtype;
  readonly contextLength: number;
  /** Bytes that one token of context takes in all layers: as it runs, and as GQA with the same dtype. */
  readonly kvBytesPerToken: number;
  readonly gqaKvBytesPerToken: number;
  readonly adapter: AdapterInfo;
  readonly memory: MemoryUse;
  readonly dispatchesPerToken: number;
  readonly conversion: readonly LayerReport[] | null;
  readonly hasChatTemplate: boolean;
  /** Sampling defaults of the model, for a settings panel. */
  readonly defaults: Readonly<Required<Omit<SamplingParams, 'seed' | 'max_tokens' | 'stop' | 'ignore_eos'>>>;
  readonly loadMs: number;
  readonly convertMs: number;
  /** Choices that were made for the user and are worth knowing, e.g. 'lm_head: Q6_K is read as q8_0'. */
  readonly notes: readonly string[];
}

/** An engine on this thread or behind a worker: what the public surface is built on. */
export interface EngineCore {
  readonly info: EngineInfo;
  chat(request: ChatCompletionRequest, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk, void>;
  complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<CompletionChunk, void>;
  /** Resolves with the reason when the device (or the worker) is lost; never after dispose(). */
  lost(): Promise<WebMlaError>;
  dispose(): void;
}

/** A file in the local store. */
export interface StoredFile {
  readonly sha256: string;
  readonly bytes: number;
  /** Where it came from. */
  readonly urls: readonly string[];
  /** ms since 1970 */
  readonly lastUsed: number;
}

export type { ErrorCode, LayerReport };
