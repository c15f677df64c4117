import { Buffers } from '../../gpu/buffers.ts';

/** What settings of one model have in common, by the labels of model/weights.ts: a conversion changes attention only. */
const COMMON = /^(norm|embed_tokens|lm_head)\b|layernorm$|\.(gate_up|down)_proj\b/;

/**
 * The buffers of a model that others in the race borrow from: what is the same in all of them is on the GPU once, which saves
 * most of the memory and of the time that loading takes.
 */
export class LendingBuffers extends Buffers {
  readonly #lender: LendingBuffers | null;
  readonly #common = new Map<string, GPUBuffer>();
  readonly #counts = new Map<string, number>();

  /** @param lender of the same model, and alive for longer; null: nothing is borrowed */
  constructor(device: GPUDevice, lender: LendingBuffers | null) {
    super(device);
    this.#lender = lender;
  }

  override upload(label: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    if (!COMMON.test(label)) return super.upload(label, data);
    // A matrix that one binding cannot show has several buffers of the same label.
    const count = this.#counts.get(label) ?? 0;
    this.#counts.set(label, count + 1);
    const key = `${label} ${count}: ${data.byteLength}`;
    const borrowed = this.#lender === null ? undefined : this.#lender.#common.get(key);
    if (borrowed) return borrowed;
    const own = super.upload(label, data);
    this.#common.set(key, own);
    return own;
  }
}
