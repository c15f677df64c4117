import type { KernelName } from '../kernels/index.ts';
import { attentionCases, combineCases } from './cases/attention.ts';
import { matmulCases, matvecCases } from './cases/linear.ts';
import { embedCases, headMatmulCases, normCases } from './cases/rows.ts';
import { argmaxFinalCases, argmaxPartialCases, countCases, sampleCases } from './cases/sampling.ts';
import { storeCases } from './cases/store.ts';
import type { KernelCase } from './kernel_case.ts';

/** Every kernel with its cases: a kernel without an entry is a type error. Cases are made when asked for. */
export const CASES: Readonly<Record<KernelName, () => KernelCase[]>> = {
  argmax_final: argmaxFinalCases,
  argmax_partial: argmaxPartialCases,
  attention_combine: combineCases,
  attention_partial: attentionCases,
  count_tokens: countCases,
  embed_tokens: embedCases,
  head_matmul: headMatmulCases,
  matmul: matmulCases,
  matvec: matvecCases,
  rms_norm: normCases,
  sample: sampleCases,
  store_rows: storeCases,
};
