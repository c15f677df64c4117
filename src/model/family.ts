/** What one family of checkpoints looks like. One file a family: src/model/llama.ts, qwen2.ts. */
export interface Architecture {
  /** `model_type` values of config.json that it serves. */
  readonly modelTypes: readonly string[];
  /** Whether q_proj, k_proj and v_proj have biases; 'optional': as the file has them. */
  readonly qkvBias: 'required' | 'optional';
}
