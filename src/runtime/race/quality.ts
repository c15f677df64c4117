import type { Gpu } from '../../gpu/device.ts';
import { Pipelines } from '../../gpu/pipelines.ts';
import { throwIfAborted } from '../../core/errors.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { DecoderSource } from '../decoder_source.ts';
import { evaluate } from '../evaluate.ts';
import type { Evaluation } from '../evaluate.ts';
import { textWindows } from '../evaluator.ts';
import { loadDecoder } from '../load.ts';
import type { LoadedModel } from '../load.ts';
import { attentionOf, BASE } from './setting.ts';
import type { RaceSetting } from './setting.ts';

/** A text that no conversion was calibrated on, and how much of it is scored. */
export interface HeldOut {
  readonly text: string;
  readonly windowTokens: number;
  readonly windows: number;
}

/** Scores settings of one model against the model itself (with an f32 cache: what is left is the difference of everything). */
export class QualityJudge {
  readonly #gpu: Gpu;
  readonly #reference: LoadedModel;
  readonly #windows: readonly Uint32Array<ArrayBuffer>[];
  /** Of all models, so that each kernel is compiled once. */
  readonly #pipelines: Pipelines;

  private constructor(
    gpu: Gpu,
    reference: LoadedModel,
    windows: readonly Uint32Array<ArrayBuffer>[],
    pipelines: Pipelines,
  ) {
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    this.#reference = reference;
    this.#windows = windows;
  }

  static async create(
    gpu: Gpu,
    original: DecoderSource,
    tokenizer: Tokenizer,
    { text, windowTokens, windows: most }: HeldOut,
    signal: AbortSignal,
  ): Promise<QualityJudge> {
    const { windows } = textWindows(tokenizer, text, windowTokens, undefined, most);
    const longest = Math.max(...windows.map(({ length }) => length));
    const pipelines = new Pipelines(gpu.device);
    const reference = await load(gpu, original, { ...BASE, cacheDtype: 'f32' }, longest, pipelines, signal);
    return new QualityJudge(gpu, reference, windows, pipelines);
  }

  async judge(source: DecoderSource, setting: RaceSetting, signal: AbortSignal): Promise<Evaluation> {
    throwIfAborted(signal);
    const { contextLength } = this.#reference;
    const pipelines = this.#pipelines;
    const model = await load(this.#gpu, source, setting, contextLength, pipelines, signal);
    try {
      return await evaluate(this.#gpu, model, this.#windows, { against: this.#reference, pipelines, signal });
    } finally {
      model.buffers.destroy();
    }
  }

  destroy(): void {
    this.#reference.buffers.destroy();
  }
}

function load(
  gpu: Gpu,
  source: DecoderSource,
  setting: RaceSetting,
  contextLength: number,
  pipelines: Pipelines,
  signal: AbortSignal,
): Promise<LoadedModel> {
  return loadDecoder(source, gpu, {
    attention: attentionOf(setting),
    cacheDtype: setting.cacheDtype,
    contextLength,
    promptLogits: true,
    spare: 0,
    pipelines,
    onProgress: () => {},
    signal,
  });
}
