import type { Architecture } from './family.ts';

/**
 * LlamaForCausalLM and MistralForCausalLM (transformers, models/llama, models/mistral): RMSNorm, GQA with rotary embedding,
 * SwiGLU. attention_bias and mlp_bias are read off the file.
 */
export const llama: Architecture = { modelTypes: ['llama', 'mistral'], qkvBias: 'optional' };
