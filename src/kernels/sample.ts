import source from '../../shaders/sample.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { RANDOM, REDUCE, SAMPLING, STEP, THRESHOLD } from './parts.ts';

export interface VocabularyDims {
  readonly vocab_size: number;
  /** Tokens that `tokens` has room for. */
  readonly context: number;
}

/** The numbers behind shaders/parts/sampling.wgsl, in its order. */
export interface Sampling {
  /** Above 0; greedy decoding with penalties sets `greedy` and 1. */
  readonly temperature: number;
  readonly top_p: number;
  readonly min_p: number;
  readonly repetition_penalty: number;
  readonly presence_penalty: number;
  readonly frequency_penalty: number;
  readonly top_k: number;
  readonly seed: number;
  readonly greedy: boolean;
}

/** A uniform buffer's size is a multiple of 16. */
export const SAMPLING_BYTES = 48;

export function packSampling(sampling: Sampling): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(SAMPLING_BYTES));
  const floats = [
    sampling.temperature,
    sampling.top_p,
    sampling.min_p,
    sampling.repetition_penalty,
    sampling.presence_penalty,
    sampling.frequency_penalty,
  ];
  const words = [sampling.top_k, sampling.seed, sampling.greedy ? 1 : 0];
  floats.forEach((value, i) => view.setFloat32(4 * i, value, true));
  words.forEach((value, i) => view.setUint32(4 * (floats.length + i), value, true));
  return new Uint8Array(view.buffer);
}

/** tokens[position + num_tokens] = a token drawn from the logits under `sampling` */
export const sample = defineKernel({
  name: 'sample',
  source,
  includes: [STEP, SAMPLING, THRESHOLD, RANDOM, REDUCE],
  parts: {},
  constants: ({ vocab_size }: VocabularyDims) => ({ vocab_size: u32(vocab_size) }),
  bindings: ({ vocab_size, context }) => ({
    logits: readonly(vocab_size * 4),
    counts: writable(vocab_size * 4),
    scores: writable(vocab_size * 4),
    tokens: writable(context * 4),
    sampling: uniform(SAMPLING_BYTES),
    step: uniform(STEP_BYTES),
  }),
  grid: () => [1, 1, 1],
});
