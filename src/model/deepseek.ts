import type { Architecture } from './family.ts';

/**
 * DeepseekV3ForCausalLM (transformers, models/deepseek_v3) and TransMLA's LlamaMLAForCausalLM where nothing but attention differs from
 * Llama and no norm changes the latents: `config.mla` is there then.
 */
export const deepseek: Architecture = { modelTypes: ['deepseek_v3'], qkvBias: 'optional' };
