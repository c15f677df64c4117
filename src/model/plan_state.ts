/** The buffers through which the host talks to the plan. */
export interface PlanState {
  readonly step: GPUBuffer;
  readonly sampling: GPUBuffer;
  /** u32 [context + spare]: ids by position, prompt and answer alike. */
  readonly tokens: GPUBuffer;
  readonly counts: GPUBuffer;
  /** f32 [vocab_size] */
  readonly logits: GPUBuffer;
  /** (value, index) of the largest logit of each workgroup of the head. */
  readonly best: GPUBuffer;
  /** f32 [chunk, promptLogitsStride] */
  readonly promptLogits: GPUBuffer | null;
  readonly promptLogitsStride: number;
}
