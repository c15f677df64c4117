import type { KernelName } from '../kernels/index.ts';
import { attentionCases, decodeCases, tiledCases } from './cases/attention.ts';
import { combineCases, unembedCases } from './cases/attention_joins.ts';
import { compareCases, scoreCases } from './cases/evaluation.ts';
import { matmulCases, matmulNarrowCases, matmulTiledCases } from './cases/matmul.ts';
import { matvecCases } from './cases/matvec.ts';
import { momentsCases, sliceCases } from './cases/moments.ts';
import { productCases } from './cases/products.ts';
import {
  adamCases,
  errorCases,
  rotateCases,
  softmaxCases,
  softmaxGradientCases,
} from './cases/refinement.ts';
import { embedCases, headMatmulCases, normCases, streamCases } from './cases/rows.ts';
import { matmulInt8Cases, quantiseCases } from './cases/int8.ts';
import { argmaxFinalCases, countCases, sampleCases } from './cases/sampling.ts';
import { formsCases, reachCases, reachSumsCases, spreadCases } from './cases/statistics.ts';
import { storeCases } from './cases/store.ts';
import type { KernelCase } from './kernel_case.ts';

/** Every kernel with its cases: a kernel without an entry is a type error. Cases are made when asked for. */
export const CASES: Readonly<Record<KernelName, () => KernelCase[]>> = {
  adam_step: adamCases,
  add_slices: sliceCases,
  argmax_final: argmaxFinalCases,
  attention_combine: combineCases,
  attention_decode: decodeCases,
  attention_partial: () => [...attentionCases(), ...tiledCases()],
  attention_reach: reachCases,
  attention_spread: spreadCases,
  attention_unembed: unembedCases,
  batched_matmul: productCases,
  causal_softmax: softmaxCases,
  compare_logits: compareCases,
  count_tokens: countCases,
  embed_tokens: embedCases,
  head_matmul: headMatmulCases,
  matmul: matmulCases,
  matmul_int8: matmulInt8Cases,
  matmul_narrow: matmulNarrowCases,
  matmul_tiled: matmulTiledCases,
  matvec: matvecCases,
  moments: momentsCases,
  output_error: errorCases,
  quadratic_forms: formsCases,
  quantise_rows: quantiseCases,
  reach_sums: reachSumsCases,
  rms_norm: normCases,
  rotate_rows: rotateCases,
  sample: sampleCases,
  score_tokens: scoreCases,
  softmax_gradient: softmaxGradientCases,
  store_rows: storeCases,
  stream_read: streamCases,
};
