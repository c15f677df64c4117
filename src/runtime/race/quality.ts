import type { Gpu } from '../../gpu/device.ts';
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

  private constructor(gpu: Gpu, reference: LoadedModel, windows: readonly Uint32Array<ArrayBuffer>[]) {
    this.#gpu = gpu;
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
    const reference = await load(gpu, original, { ...BASE, cacheDtype: 'f32' }, longest, signal);
    return new QualityJudge(gpu, reference, windows);
  }

  async judge(source: DecoderSource, setting: RaceSetting, signal: AbortSignal): Promise<Evaluation> {
    throwIfAborted(signal);
    const model = await load(this.#gpu, source, setting, this.#reference.contextLength, signal);
    try {
      return await evaluate(this.#gpu, model, this.#windows, { against: this.#reference, signal });
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
  signal: AbortSignal,
): Promise<LoadedModel> {
  return loadDecoder(source, gpu, {
    attention: attentionOf(setting),
    cacheDtype: setting.cacheDtype,
    contextLength,
    promptLogits: true,
    spare: 0,
    onProgress: () => {},
    signal,
  });
}
