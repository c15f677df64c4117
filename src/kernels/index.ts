import { adam_step } from './adam_step.ts';
import { add_slices } from './add_slices.ts';
import { argmax_final } from './argmax_final.ts';
import { attention_combine } from './attention_combine.ts';
import { attention_decode } from './attention_decode.ts';
import { attention_partial } from './attention_partial.ts';
import { attention_reach } from './attention_reach.ts';
import { attention_spread } from './attention_spread.ts';
import { attention_unembed } from './attention_unembed.ts';
import { batched_matmul } from './batched_matmul.ts';
import { causal_softmax } from './causal_softmax.ts';
import { compare_logits } from './compare_logits.ts';
import { count_tokens } from './count_tokens.ts';
import { embed_tokens } from './embed_tokens.ts';
import { head_matmul } from './head_matmul.ts';
import { matmul } from './matmul.ts';
import { matmul_int8 } from './matmul_int8.ts';
import { matmul_narrow } from './matmul_narrow.ts';
import { matmul_tiled } from './matmul_tiled.ts';
import { matvec } from './matvec.ts';
import { moments } from './moments.ts';
import { output_error } from './output_error.ts';
import { quadratic_forms } from './quadratic_forms.ts';
import { quantise_rows } from './quantise_rows.ts';
import { reach_sums } from './reach_sums.ts';
import { rms_norm } from './rms_norm.ts';
import { rotate_rows } from './rotate_rows.ts';
import { sample } from './sample.ts';
import { score_tokens } from './score_tokens.ts';
import { softmax_gradient } from './softmax_gradient.ts';
import { store_rows } from './store_rows.ts';
import { stream_read } from './stream_read.ts';

/** All kernels. The tables of CPU twins and of cases are mapped types over it: forgetting one is a type error. */
export const KERNELS = {
  adam_step,
  add_slices,
  argmax_final,
  attention_combine,
  attention_decode,
  attention_partial,
  attention_reach,
  attention_spread,
  attention_unembed,
  batched_matmul,
  causal_softmax,
  compare_logits,
  count_tokens,
  embed_tokens,
  head_matmul,
  matmul,
  matmul_int8,
  matmul_narrow,
  matmul_tiled,
  matvec,
  moments,
  output_error,
  quadratic_forms,
  quantise_rows,
  reach_sums,
  rms_norm,
  rotate_rows,
  sample,
  score_tokens,
  softmax_gradient,
  store_rows,
  stream_read,
};

export type KernelName = keyof typeof KERNELS;

export const KERNEL_NAMES: readonly KernelName[] = Object.keys(KERNELS).filter(isKernelName);

function isKernelName(name: string): name is KernelName {
  return Object.hasOwn(KERNELS, name);
}
