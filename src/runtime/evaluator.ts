import type { ModelConfig } from '../core/config.ts';
import { asWebMlaError, WebMlaError } from '../core/errors.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import { longestContext } from '../model/architecture.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { formOf } from './engine.ts';
import { evaluate } from './evaluate.ts';
import type { EvaluateOptions, Evaluation } from './evaluate.ts';
import { loadModel } from './load.ts';
import type { LoadedModel } from './load.ts';
import { tokenizerOf } from './tokenizer_of.ts';
import type { AttentionForm, EngineOptions, LoadProgress } from './types.ts';

export interface EvaluatorOptions extends Pick<
  EngineOptions,
  'weights' | 'cacheDtype' | 'prefillMath' | 'signal'
> {
  readonly attention?: AttentionForm | undefined;
  readonly files: ModelFiles;
  /** The reference, run as it lies in its file, with an f32 cache: what is left is the difference of everything. */
  readonly against?: ModelFiles | undefined;
  readonly gpu: GPU | undefined;
  /** Tokens of the longest window. Default 1,024, or what the model can do. */
  readonly windowTokens?: number | undefined;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** A model, and perhaps a reference, on one device and ready to be scored. */
export class Evaluator {
  /** null when the checkpoint has no tokenizer files. */
  readonly tokenizer: Tokenizer | null;
  /** Bytes that a token takes in the model's cache. */
  readonly kvBytesPerToken: number;
  readonly windowTokens: number;
  readonly #gpu: Gpu;
  readonly #model: LoadedModel;
  readonly #against: LoadedModel | undefined;

  private constructor(
    gpu: Gpu,
    model: LoadedModel,
    against: LoadedModel | undefined,
    tokenizer: Tokenizer | null,
  ) {
    this.#gpu = gpu;
    this.#model = model;
    this.#against = against;
    this.tokenizer = tokenizer;
    this.windowTokens = model.contextLength;
    this.kvBytesPerToken = model.plan.kvBytesPerToken;
  }

  /** @throws WebMlaError of any kind that the files, the options or the GPU cause */
  static async create(options: EvaluatorOptions): Promise<Evaluator> {
    const gpu = await openGpu(options.gpu);
    try {
      const { signal, onProgress = () => {} } = options;
      const checkpoint = await openCheckpoint(options.files, signal);
      const contextLength = windowLength(checkpoint.config, options.windowTokens);
      const common = { contextLength, promptLogits: true, spare: 0, onProgress, signal };
      const model = await loadModel(checkpoint, gpu, {
        ...common,
        attention: formOf(checkpoint, options.attention),
        weights: options.weights ?? 'as-is',
        cacheDtype: options.cacheDtype ?? checkpoint.latent?.cacheDtype ?? 'f16',
        prefillMath: options.prefillMath,
      });
      const reference = options.against && (await openCheckpoint(options.against, signal));
      const against =
        reference &&
        (await loadModel(reference, gpu, {
          ...common,
          attention: formOf(reference, undefined),
          weights: 'as-is',
          cacheDtype: 'f32',
        }));
      return new Evaluator(gpu, model, against, tokenizerOf(checkpoint));
    } catch (error) {
      gpu.device.destroy();
      throw asWebMlaError(gpu.failure() ?? error);
    }
  }

  /** @throws WebMlaError */
  async run(
    windows: readonly Uint32Array<ArrayBuffer>[],
    options: Omit<EvaluateOptions, 'against'> = {},
  ): Promise<Evaluation> {
    try {
      return await evaluate(this.#gpu, this.#model, windows, { ...options, against: this.#against });
    } catch (error) {
      throw asWebMlaError(error);
    }
  }

  dispose(): void {
    this.#model.buffers.destroy();
    this.#against?.buffers.destroy();
    this.#gpu.device.destroy();
  }
}

const DEFAULT_WINDOW = 1024;

function windowLength(config: ModelConfig, wanted: number | undefined): number {
  const longest = longestContext(config);
  if (wanted === undefined) return Math.min(DEFAULT_WINDOW, longest);
  if (wanted >= 2 && wanted <= longest) return wanted;
  throw new WebMlaError(
    'bad_request',
    `window: expected 2 to ${longest} tokens (what this model can do), got ${wanted}`,
  );
}

/** A text cut into windows that do not overlap. */
export interface TextWindows {
  readonly windows: readonly Uint32Array<ArrayBuffer>[];
  /** UTF-8 bytes of the text that the scored tokens stand for. */
  readonly bytes: number;
}

/**
 * @param windowTokens tokens of a window, the first token included; a rest that fills no window is left out, unless it is all
 * @param firstToken put first in each window; undefined: the token that the tokenizer itself adds first, if any
 * @throws WebMlaError `bad_request` for a text of less than two tokens
 */
export function textWindows(
  tokenizer: Tokenizer,
  text: string,
  windowTokens: number,
  firstToken: number | undefined,
  maxWindows = Infinity,
): TextWindows {
  const plain = { specialTokens: 'plain', addSpecialTokens: false } as const;
  const ids = tokenizer.encode(text, plain);
  const first = firstToken ?? ownFirstToken(tokenizer);
  const head = first === undefined ? [] : [first];
  const size = windowTokens - head.length;
  const whole = ids.length < size ? 1 : Math.floor(ids.length / size);
  const windows = Array.from({ length: Math.min(whole, maxWindows) }, (_, i) =>
    Uint32Array.from([...head, ...ids.slice(i * size, (i + 1) * size)]),
  );
  if (windows.some(({ length }) => length < 2)) {
    throw new WebMlaError('bad_request', `text: expected at least two tokens, got ${ids.length}`);
  }
  const decode = (some: Iterable<number>): number =>
    new TextEncoder().encode(tokenizer.decode(some, { skipSpecialTokens: false })).length;
  const used = ids.slice(0, windows.length * size);
  // Windows may cut a character in two: the whole is decoded, and what is not scored is taken off.
  const unscored = first === undefined ? windows.map((window) => decode(window.subarray(0, 1))) : [];
  return { windows, bytes: decode(used) - unscored.reduce((sum, bytes) => sum + bytes, 0) };
}

/** What encode puts before a text, if it is one token. */
function ownFirstToken(tokenizer: Tokenizer): number | undefined {
  const plain = tokenizer.encode('a', { specialTokens: 'plain', addSpecialTokens: false });
  const marked = tokenizer.encode('a', { specialTokens: 'plain', addSpecialTokens: true });
  const at = marked.findIndex((id) => id === plain[0]);
  return at === 1 ? marked[0] : undefined;
}
