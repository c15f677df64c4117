import type { KernelName } from '../kernels/index.ts';
import { attentionCases, combineCases, decodeCases } from './cases/attention.ts';
import { compareCases, scoreCases } from './cases/evaluation.ts';
import { matmulCases, matmulTiledCases, matvecCases } from './cases/linear.ts';
import { momentsCases } from './cases/moments.ts';
import { embedCases, headMatmulCases, normCases, streamCases } from './cases/rows.ts';
import { argmaxFinalCases, argmaxPartialCases, countCases, sampleCases } from './cases/sampling.ts';
import { formsCases, reachCases, reachSumsCases, spreadCases } from './cases/statistics.ts';
import { storeCases } from './cases/store.ts';
import type { KernelCase } from './kernel_case.ts';

/** Every kernel with its cases: a kernel without an entry is a type error. Cases are made when asked for. */
export const CASES: Readonly<Record<KernelName, () => KernelCase[]>> = {
  argmax_final: argmaxFinalCases,
  argmax_partial: argmaxPartialCases,
  attention_combine: combineCases,
  attention_decode: decodeCases,
  attention_partial: attentionCases,
  attention_reach: reachCases,
  attention_spread: spreadCases,
  compare_logits: compareCases,
  count_tokens: countCases,
  embed_tokens: embedCases,
  head_matmul: headMatmulCases,
  matmul: matmulCases,
  matmul_tiled: matmulTiledCases,
  matvec: matvecCases,
  moments: momentsCases,
  quadratic_forms: formsCases,
  reach_sums: reachSumsCases,
  rms_norm: normCases,
  sample: sampleCases,
  score_tokens: scoreCases,
  store_rows: storeCases,
  stream_read: streamCases,
};
