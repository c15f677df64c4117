import type { Architecture } from './family.ts';

/** Qwen2ForCausalLM, Qwen2 and Qwen2.5 (transformers, models/qwen2): Llama with biases on q_proj, k_proj and v_proj. */
export const qwen2: Architecture = { modelTypes: ['qwen2'], qkvBias: 'required' };
