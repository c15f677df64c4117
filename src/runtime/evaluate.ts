import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import { Buffers } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { encode, Pipelines } from '../gpu/pipelines.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { STEP_BYTES, writeStep } from '../gpu/step.ts';
import { compare_logits } from '../kernels/compare_logits.ts';
import { score_tokens } from '../kernels/score_tokens.ts';
import type { ScoreDims } from '../kernels/score_tokens.ts';
import type { Plan } from '../model/plan.ts';
import { KeptLogits } from './kept_logits.ts';
import type { LoadedModel } from './load.ts';

/** How well a model foretells text, and how far it is from another one. Logits stay on the GPU, a chunk of tokens at a time. */
export interface Evaluation {
  /** exp(nllPerToken) */
  readonly perplexity: number;
  /** Mean of -log p(token | tokens before it), in nats. */
  readonly nllPerToken: number;
  /** Tokens scored: all but the first of each window. */
  readonly tokens: number;
  readonly windows: number;
  /** Mean KL(against || model) per scored position, in nats. */
  readonly kl?: number;
  /** Share of scored positions where both models' likeliest tokens agree. */
  readonly top1Agreement?: number;
  /** nllPerToken of the reference on the same tokens. */
  readonly againstNllPerToken?: number;
}

export interface EvaluateOptions {
  /** The reference: a model on the same GPU with the same vocabulary, or what it said of the same windows. */
  readonly against?: LoadedModel | KeptLogits | undefined;
  readonly onProgress?: (progress: { readonly loaded: number; readonly total: number }) => void;
  readonly signal?: AbortSignal | undefined;
  /** Of the same device: what an earlier run compiled is not compiled again. */
  readonly pipelines?: Pipelines | undefined;
}

/**
 * Scores windows of tokens, each a sequence of its own, as a conversation would run them: in chunks, over the model's cache.
 * @param model loaded with promptLogits, like `against`; nothing else may use them meanwhile
 * @throws WebMlaError `bad_request`, `aborted`, `device_lost`, `internal` (a logit is not a number)
 */
export async function evaluate(
  gpu: Gpu,
  model: LoadedModel,
  windows: readonly Uint32Array<ArrayBuffer>[],
  { against, onProgress, signal, pipelines = new Pipelines(gpu.device) }: EvaluateOptions = {},
): Promise<Evaluation> {
  checkWindows(model, windows, against);
  const scorer = await Scorer.create(gpu, model, against, pipelines);
  const total = windows.length;
  const sums = { nll: 0, kl: 0, agreed: 0, againstNll: 0, tokens: 0 };
  try {
    onProgress?.({ loaded: 0, total });
    for (const [i, window] of windows.entries()) {
      const scores = await scorer.run(window, i, signal);
      for (const { nll, kl, agreed, againstNll } of scores) {
        if (!Number.isFinite(nll) || !Number.isFinite(kl)) throw noNumber(i);
        sums.nll += nll;
        sums.kl += kl;
        sums.agreed += agreed;
        sums.againstNll += againstNll;
      }
      sums.tokens += scores.length;
      onProgress?.({ loaded: i + 1, total });
    }
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    scorer.destroy();
  }
  const nllPerToken = sums.nll / sums.tokens;
  return {
    perplexity: Math.exp(nllPerToken),
    nllPerToken,
    tokens: sums.tokens,
    windows: windows.length,
    ...(against && {
      kl: sums.kl / sums.tokens,
      top1Agreement: sums.agreed / sums.tokens,
      againstNllPerToken: sums.againstNll / sums.tokens,
    }),
  };
}

interface TokenScore {
  readonly nll: number;
  /** 0 without a reference. */
  readonly kl: number;
  readonly agreed: number;
  readonly againstNll: number;
}

/** Both plans with the kernels behind them. Positions and chunks are the same, so one submit does a chunk of both. */
class Scorer {
  readonly #gpu: Gpu;
  readonly #plans: readonly Plan[];
  readonly #kept: KeptLogits | null;
  readonly #buffers: Buffers;
  readonly #results: readonly GPUBuffer[];
  readonly #behind: readonly Dispatch[];
  readonly #stepWords = new Uint32Array(STEP_BYTES / 4);
  readonly #chunk: number;

  private constructor(
    gpu: Gpu,
    plans: readonly Plan[],
    kept: KeptLogits | null,
    buffers: Buffers,
    results: readonly GPUBuffer[],
    behind: readonly Dispatch[],
  ) {
    this.#gpu = gpu;
    this.#plans = plans;
    this.#kept = kept;
    this.#buffers = buffers;
    this.#results = results;
    this.#behind = behind;
    this.#chunk = Math.min(...[...plans, ...(kept ? [kept] : [])].map(({ chunk }) => chunk));
  }

  static async create(
    gpu: Gpu,
    model: LoadedModel,
    against: LoadedModel | KeptLogits | undefined,
    pipelines: Pipelines,
  ): Promise<Scorer> {
    const buffers = new Buffers(gpu.device);
    const kept = against instanceof KeptLogits ? against : null;
    const plans = against && !(against instanceof KeptLogits) ? [model.plan, against.plan] : [model.plan];
    const { vocab_size } = model.config;
    try {
      const sides = [
        ...plans.map((plan) => ({ ...plan.state, chunk: plan.chunk, logits: logitsOf(plan) })),
        // Kept logits are of the same tokens at the same step.
        ...(kept ? [{ ...model.plan.state, chunk: kept.chunk, logits: kept.logits }] : []),
      ];
      const scored = sides.map(({ tokens, step, chunk, logits }, i) => {
        const context = tokens.size / 4;
        const dims: ScoreDims = { vocab_size, context, max_tokens: chunk };
        const scores = buffers.storage(`scores.${i}`, context * 8);
        const dispatch = pipelines.dispatch(score_tokens, dims, {}, { logits, tokens, scores, step });
        return { dims, logits, scores, step, dispatch };
      });
      const [own, other] = scored;
      const results = own ? [own.scores] : [];
      const behind = scored.map(({ dispatch }) => dispatch);
      if (own && other) {
        const dims = {
          vocab_size,
          context: Math.min(own.dims.context, other.dims.context),
          max_tokens: Math.min(own.dims.max_tokens, other.dims.max_tokens),
        };
        const comparison = buffers.storage('comparison', dims.context * 8);
        behind.push(
          pipelines.dispatch(
            compare_logits,
            dims,
            {},
            {
              logits: own.logits,
              other: other.logits,
              scores: own.scores,
              other_scores: other.scores,
              comparison,
              step: own.step,
            },
          ),
        );
        results.push(comparison, other.scores);
      }
      await pipelines.compileAll();
      return new Scorer(gpu, plans, kept, buffers, results, behind);
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  /** @param index of the window, for what was kept of it */
  async run(
    window: Uint32Array<ArrayBuffer>,
    index: number,
    signal: AbortSignal | undefined,
  ): Promise<TokenScore[]> {
    const { device } = this.#gpu;
    for (const { state } of this.#plans) device.queue.writeBuffer(state.tokens, 0, window);
    // The last token's successor is not known: it need not run.
    const count = window.length - 1;
    for (let position = 0; position < count; position += this.#chunk) {
      throwIfAborted(signal);
      const num_tokens = Math.min(this.#chunk, count - position);
      this.#submit(index, position, num_tokens);
      await device.queue.onSubmittedWorkDone();
      const failure = this.#gpu.failure();
      if (failure) throw failure;
    }
    const [scores, comparison, other] = await this.#read(count);
    return Array.from({ length: count }, (_, t) => ({
      nll: scores?.[2 * t] ?? NaN,
      kl: comparison ? (comparison[2 * t] ?? NaN) : 0,
      agreed: comparison?.[2 * t + 1] ?? 0,
      againstNll: other?.[2 * t] ?? 0,
    }));
  }

  #submit(window: number, position: number, num_tokens: number): void {
    const { queue } = this.#gpu.device;
    const encoder = this.#gpu.device.createCommandEncoder();
    this.#kept?.load(encoder, window, position, num_tokens);
    const pass = encoder.beginComputePass();
    for (const plan of this.#plans) {
      const step = plan.step(position, num_tokens);
      queue.writeBuffer(plan.state.step, 0, writeStep(step, this.#stepWords));
      encode(pass, plan.prefill, step);
      encode(pass, plan.promptLogits ?? [], step);
    }
    encode(pass, this.#behind, { position, num_tokens, num_splits: 1, split_len: 0 });
    pass.end();
    queue.submit([encoder.finish()]);
  }

  async #read(count: number): Promise<Float32Array[]> {
    const { device } = this.#gpu;
    const bytes = count * 8;
    const copy = this.#buffers.readback('scores', bytes * this.#results.length);
    const encoder = device.createCommandEncoder();
    this.#results.forEach((result, i) => encoder.copyBufferToBuffer(result, 0, copy, i * bytes, bytes));
    device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(copy.getMappedRange().slice(0));
    this.#buffers.release(copy);
    return this.#results.map((_, i) => values.subarray(i * count * 2, (i + 1) * count * 2));
  }

  destroy(): void {
    this.#buffers.destroy();
  }
}

function logitsOf({ state }: Plan): GPUBuffer {
  if (state.promptLogits) return state.promptLogits;
  throw new WebMlaError('internal', 'evaluate: expected a model loaded with promptLogits');
}

function checkWindows(
  model: LoadedModel,
  windows: readonly Uint32Array[],
  against: LoadedModel | KeptLogits | undefined,
): void {
  const { vocab_size } = model.config;
  if (against && against.config.vocab_size !== vocab_size) {
    throw new WebMlaError(
      'bad_request',
      `against: expected a model with the same vocabulary (${vocab_size} ids), got ${against.config.vocab_size}`,
      'Compare a model with the one that it was converted from.',
    );
  }
  if (against instanceof KeptLogits && !against.isOf(windows))
    throw new WebMlaError('bad_request', 'against: expected logits of these windows, got those of others');
  const longest = Math.min(model.contextLength, against?.contextLength ?? Infinity);
  if (windows.length === 0) throw new WebMlaError('bad_request', 'windows: expected some, got none');
  for (const window of windows) {
    if (window.length < 2 || window.length > longest) {
      throw new WebMlaError(
        'bad_request',
        `window: expected 2 to ${longest} tokens, got ${window.length}`,
        'Longer windows need a longer context; a text of less than two tokens cannot be scored.',
      );
    }
    const stranger = window.find((id) => id >= vocab_size);
    if (stranger !== undefined)
      throw new WebMlaError('bad_request', `window: expected ids below ${vocab_size}, got ${stranger}`);
  }
}

function noNumber(window: number): WebMlaError {
  return new WebMlaError(
    'internal',
    `logits of window ${window}: expected numbers, got none`,
    'The weights may be damaged, or the activations overflow f16: try cacheDtype f32, or weights f32.',
  );
}
