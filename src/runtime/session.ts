import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { Buffers } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { encode } from '../gpu/pipelines.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { STEP_BYTES, writeStep } from '../gpu/step.ts';
import type { Step } from '../gpu/step.ts';
import { NARROW_TOKENS } from '../kernels/matmul_narrow.ts';
import { packSampling } from '../kernels/sample.ts';
import type { Sampling } from '../kernels/sample.ts';
import type { Plan } from '../model/plan.ts';
import { ReadbackRing } from './readback_ring.ts';

/** What the sampler writes when no logit is a number. */
const NO_TOKEN = 0xffffffff;

export interface GenerateOptions {
  /** 'argmax' needs no sampling parameters and takes the shortest way. */
  readonly sampling: Sampling | 'argmax';
  readonly signal?: AbortSignal | undefined;
  /** Called once, when the first token has been read. */
  readonly onPrefilled?: (prefill: PrefillResult) => void;
  /** Every row of logits, for tests and `--logits`: slows decoding to one token in flight, and nothing is taken from the cache. */
  readonly onLogits?: LogitsSink | undefined;
}

export interface PrefillResult {
  /** Tokens of the prompt that were in the cache already. */
  readonly cachedTokens: number;
  readonly prefillMs: number;
}

export interface LogitsSink {
  /** Rows [count, vocabSize] for prompt positions position, position + 1, ... */
  prompt(rows: Float32Array, position: number, vocabSize: number): void;
  /** The row that the next generated token was chosen from. */
  step(row: Float32Array): void;
}

/**
 * One sequence on the GPU: which tokens' rows the cache holds, prefill, and decoding with several steps in flight. Knows
 * token ids only; text, stop strings and conversations are the business of its callers.
 */
export class Session {
  readonly #gpu: Gpu;
  readonly #plan: Plan;
  readonly #vocabSize: number;
  readonly #buffers: Buffers;
  readonly #ring: ReadbackRing;
  readonly #stepWords = new Uint32Array(STEP_BYTES / 4);
  /** Tokens whose rows the cache holds. */
  #cached: readonly number[] = [];

  /** @param depth steps in flight: the GPU works on the next ones while the host waits for an id */
  constructor(gpu: Gpu, plan: Plan, vocabSize: number, buffers: Buffers, depth: number) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#vocabSize = vocabSize;
    this.#buffers = buffers;
    this.#ring = new ReadbackRing(gpu, buffers, depth);
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#cached.length;
  }

  /** Forgets everything. */
  reset(): void {
    this.#cached = [];
  }

  /** Takes the cache for one that holds these tokens: for measurements at long contexts, where what it holds does not matter. */
  pretend(ids: readonly number[]): void {
    this.#cached = ids;
  }

  /**
   * Generated ids, without end: the caller leaves the loop. The longest common prefix of `prompt` and what is in the cache is
   * not computed again.
   * @param prompt at least one id, all below vocab_size
   * @param room positions there are: prompt and answer together
   * @throws WebMlaError `aborted`, `device_lost`, `internal` (the model gave no number)
   */
  async *generate(
    prompt: readonly number[],
    room: number,
    options: GenerateOptions,
  ): AsyncGenerator<number, void> {
    const { sampling, signal, onPrefilled, onLogits } = options;
    const started = performance.now();
    await this.#ring.ready();
    const cachedTokens = onLogits ? 0 : Math.min(commonPrefix(this.#cached, prompt), prompt.length - 1);
    // Until the prefill is through, only the common part is sure to be there.
    this.#cached = prompt.slice(0, cachedTokens);
    this.#writeTokens(prompt, cachedTokens);
    const tail = sampling === 'argmax' ? this.#plan.greedy : this.#plan.sample;
    if (sampling !== 'argmax') {
      this.#queue.writeBuffer(this.#plan.state.sampling, 0, packSampling(sampling));
      this.#count(prompt.length);
    }
    const known = [...prompt];
    let submitted = cachedTokens;
    try {
      submitted = await this.#prefill(prompt, cachedTokens, tail, signal, onLogits);
      for (let first = true; ; first = false) {
        const ahead = onLogits ? 1 : this.#ring.depth;
        while (this.#ring.pending < ahead && submitted < room) this.#decode(submitted++, tail);
        if (this.#ring.pending === 0) return;
        const id = await this.#ring.next(signal);
        if (id === NO_TOKEN) throw noNumber();
        if (onLogits) onLogits.step(await this.#read(this.#plan.state.logits, this.#vocabSize));
        if (first) onPrefilled?.({ cachedTokens, prefillMs: performance.now() - started });
        known.push(id);
        yield id;
      }
    } finally {
      this.#ring.drop();
      // Steps in flight have run, or will before anything else does; the row of a token exists once its step was submitted.
      this.#cached = known.slice(0, Math.min(known.length, submitted));
    }
  }

  /** Runs the prompt in chunks; the last one ends in the first sampled id. @returns rows submitted */
  async #prefill(
    prompt: readonly number[],
    from: number,
    tail: readonly Dispatch[],
    signal: AbortSignal | undefined,
    onLogits: LogitsSink | undefined,
  ): Promise<number> {
    const { chunk, prefill, shortPrefill, promptLogits, state } = this.#plan;
    for (let position = from; position < prompt.length; position += chunk) {
      throwIfAborted(signal);
      const num_tokens = Math.min(chunk, prompt.length - position);
      const last = position + num_tokens === prompt.length;
      const step = this.#plan.step(position, num_tokens);
      const several = num_tokens <= NARROW_TOKENS ? (shortPrefill ?? prefill) : prefill;
      const dispatches = num_tokens === 1 ? this.#plan.decode : several;
      const logits = onLogits && promptLogits ? promptLogits : [];
      this.#submit(step, [dispatches, logits, ...(last ? [tail] : [])], last);
      if (onLogits && state.promptLogits) {
        const stride = this.#plan.state.promptLogitsStride;
        const rows = await this.#read(state.promptLogits, num_tokens * stride);
        const packed = new Float32Array(num_tokens * this.#vocabSize);
        for (let t = 0; t < num_tokens; t++) {
          packed.set(rows.subarray(t * stride, t * stride + this.#vocabSize), t * this.#vocabSize);
        }
        onLogits.prompt(packed, position, this.#vocabSize);
      }
      // One chunk at a time, so that a cancelled prompt stops soon and the queue never grows long.
      if (!last) await this.#gpu.device.queue.onSubmittedWorkDone();
      this.#throwIfFailed();
    }
    return prompt.length;
  }

  /** One token: the id at `position` is on the GPU already. */
  #decode(position: number, tail: readonly Dispatch[]): void {
    this.#submit(this.#plan.step(position, 1), [this.#plan.decode, tail], true);
  }

  /** One small write, one pass, one submit; `readId` queues the sampled id for reading. */
  #submit(step: Step, lists: readonly (readonly Dispatch[])[], readId: boolean): void {
    this.#queue.writeBuffer(this.#plan.state.step, 0, writeStep(step, this.#stepWords));
    const encoder = this.#gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const dispatches of lists) encode(pass, dispatches, step);
    pass.end();
    const finish = readId
      ? this.#ring.copy(encoder, this.#plan.state.tokens, (step.position + step.num_tokens) * 4)
      : undefined;
    this.#queue.submit([encoder.finish()]);
    finish?.();
  }

  #writeTokens(ids: readonly number[], from: number): void {
    const words = Uint32Array.from(ids.slice(from));
    this.#queue.writeBuffer(this.#plan.state.tokens, from * 4, words);
  }

  /** Starts the penalties' counts anew: all ids of the prompt were seen, none was generated. */
  #count(promptLength: number): void {
    const step: Step = { position: 0, num_tokens: promptLength, num_splits: 1, split_len: 0 };
    this.#queue.writeBuffer(this.#plan.state.step, 0, writeStep(step, this.#stepWords));
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.#plan.state.counts);
    const pass = encoder.beginComputePass();
    encode(pass, this.#plan.count, step);
    pass.end();
    this.#queue.submit([encoder.finish()]);
  }

  async #read(buffer: GPUBuffer, count: number): Promise<Float32Array> {
    const copy = this.#buffers.readback('logits', count * 4);
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, copy, 0, count * 4);
    this.#queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(copy.getMappedRange(0, count * 4).slice(0));
    this.#buffers.release(copy);
    return values;
  }

  get #queue(): GPUQueue {
    return this.#gpu.device.queue;
  }

  #throwIfFailed(): void {
    const failure = this.#gpu.failure();
    if (failure) throw failure;
  }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function noNumber(): WebMlaError {
  return new WebMlaError(
    'internal',
    'logits: expected numbers, got none',
    'The weights may be damaged, or the activations overflow f16: try cacheDtype f32, or weights f32.',
  );
}
