import { convertExact } from '../convert/exact.ts';
import type { LayerReport } from '../convert/report.ts';
import type { ModelConfig } from '../core/config.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { DecoderLayer, GqaAttention, Linear } from '../core/layers.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { asIsFormat, isKeptExactly, readFloats, readPacked } from '../formats/tensor_data.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import type { CacheFormat } from '../kernels/parts.ts';
import { architectureOf, layerNames, longestContext } from '../model/architecture.ts';
import type { Architecture } from '../model/architecture.ts';
import { buildPlan } from '../model/plan.ts';
import type { Plan } from '../model/plan.ts';
import { WeightUploader } from '../model/weights.ts';
import type { DeviceLayer, FormatBytes } from '../model/weights.ts';
import type { AttentionForm, LoadProgress, WeightChoice } from './types.ts';

export interface LoadOptions {
  readonly attention: AttentionForm;
  readonly weights: WeightChoice;
  readonly cacheDtype: CacheFormat;
  readonly contextLength: number | undefined;
  /** Also build what gives the logits of every prompt position. */
  readonly promptLogits: boolean;
  /** Steps that may be in flight behind the end of the context. */
  readonly spare: number;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly signal: AbortSignal | undefined;
}

/** A model on the GPU, ready for a Session. */
export interface LoadedModel {
  readonly config: ModelConfig;
  readonly plan: Plan;
  readonly buffers: Buffers;
  readonly contextLength: number;
  readonly weightBytes: number;
  readonly formatBytes: FormatBytes;
  readonly conversion: readonly LayerReport[] | null;
  readonly convertMs: number;
  readonly notes: readonly string[];
}

const DEFAULT_CONTEXT = 4096;

/**
 * Reads, converts and uploads layer by layer (no more than one layer is in host memory), then builds the plan and compiles
 * its kernels.
 * @throws WebMlaError of every kind that a file, an option or the GPU may cause; the GPU's memory is freed again
 */
export async function loadModel(
  checkpoint: Checkpoint,
  gpu: Gpu,
  options: LoadOptions,
): Promise<LoadedModel> {
  const { config } = checkpoint;
  const architecture = architectureOf(config);
  const contextLength = chooseContext(config, options.contextLength);
  const buffers = new Buffers(gpu.device);
  try {
    const reader = new WeightReader(checkpoint, architecture, options);
    const uploader = new WeightUploader(buffers, gpu.device.limits.maxStorageBufferBindingSize);
    const layers: DeviceLayer[] = [];
    const reports: LayerReport[] = [];
    let convertMs = 0;
    const total = config.num_hidden_layers;
    const report = (stage: 'convert' | 'upload', loaded: number): void =>
      options.onProgress({ stage, loaded, total, unit: 'layers' });
    for (let i = 0; i < total; i++) {
      throwIfAborted(options.signal);
      const original = await reader.layer(i);
      let layer: DecoderLayer = original;
      if (options.attention === 'mla') {
        const started = performance.now();
        const converted = convertExact(config, i, original.self_attn);
        layer = { ...original, self_attn: converted.attention };
        reports.push(converted.report);
        convertMs += performance.now() - started;
        report('convert', i + 1);
      }
      layers.push(await watchMemory(gpu.device, `layer ${i}`, () => uploader.layer(`layers.${i}`, layer)));
      throwIfFailed(gpu);
      report('upload', i + 1);
    }
    const ends = await reader.ends();
    const deviceEnds = await watchMemory(gpu.device, 'embeddings', () => uploader.ends(ends));
    const weightBytes = buffers.bytes;

    const pipelines = new Pipelines(gpu.device);
    const plan = await watchMemory(gpu.device, 'cache and activations', () =>
      buildPlan(config, layers, deviceEnds, pipelines, buffers, {
        max_len: contextLength,
        cacheFormat: options.cacheDtype,
        chunk: chunkSize(gpu, contextLength, options.promptLogits),
        promptLogits: options.promptLogits,
        spare: options.spare,
        software: gpu.info.software,
      }),
    );
    await pipelines.compileAll((loaded, count) =>
      options.onProgress({ stage: 'warm up', loaded, total: count, unit: 'steps' }),
    );
    throwIfAborted(options.signal);
    throwIfFailed(gpu);
    return {
      config,
      plan,
      buffers,
      contextLength,
      weightBytes,
      formatBytes: uploader.formatBytes,
      conversion: options.attention === 'mla' ? reports : null,
      convertMs,
      notes: reader.notes(),
    };
  } catch (error) {
    buffers.destroy();
    throw gpu.failure() ?? error;
  }
}

/** Tokens of a prefill step. Logits of every position take a row of the vocabulary each. */
function chunkSize(gpu: Gpu, contextLength: number, promptLogits: boolean): number {
  if (promptLogits) return Math.min(32, contextLength);
  return Math.min(gpu.info.software ? 64 : 256, contextLength);
}

function chooseContext(config: ModelConfig, wanted: number | undefined): number {
  const longest = longestContext(config);
  if (wanted === undefined) return Math.min(longest, DEFAULT_CONTEXT);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > longest) {
    throw new WebMlaError(
      'bad_request',
      `contextLength: expected an integer from 1 to ${longest} (what this model can do), got ${wanted}`,
      'Leave contextLength out to let webmla choose.',
      { longest },
    );
  }
  return wanted;
}

function throwIfFailed(gpu: Gpu): void {
  const failure = gpu.failure();
  if (failure) throw failure;
}

/** Formats of `weights`: embeddings suffer most from few bits, so q4 keeps them at 8. */
const FORMATS: Readonly<
  Record<WeightChoice, { matrix: WeightFormat | 'as-is'; embedding: WeightFormat | 'as-is' }>
> = {
  'as-is': { matrix: 'as-is', embedding: 'as-is' },
  f32: { matrix: 'f32', embedding: 'f32' },
  f16: { matrix: 'f16', embedding: 'f16' },
  q8: { matrix: 'q8_0', embedding: 'q8_0' },
  q4: { matrix: 'q4_1', embedding: 'q8_0' },
};

/** Takes a decoder's tensors out of a checkpoint, with the shapes that its configuration asks for. */
class WeightReader {
  readonly #checkpoint: Checkpoint;
  readonly #architecture: Architecture;
  readonly #weights: WeightChoice;
  readonly #signal: AbortSignal | undefined;
  /** File types that 'as-is' could not keep, and how many tensors had them. */
  readonly #changed = new Map<string, number>();

  constructor(checkpoint: Checkpoint, architecture: Architecture, options: LoadOptions) {
    this.#checkpoint = checkpoint;
    this.#architecture = architecture;
    this.#weights = options.weights;
    this.#signal = options.signal;
  }

  async layer(index: number): Promise<DecoderLayer<GqaAttention>> {
    const { hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim } =
      this.#checkpoint.config;
    const names = layerNames(index);
    const q = num_attention_heads * head_dim;
    const kv = num_key_value_heads * head_dim;
    const qkvBias = this.#architecture.qkvBias;
    return {
      input_layernorm: await this.#vector(`${names.input_layernorm}.weight`, hidden_size),
      self_attn: {
        form: 'gqa',
        q_proj: await this.#linear(names.q_proj, q, hidden_size, qkvBias),
        k_proj: await this.#linear(names.k_proj, kv, hidden_size, qkvBias),
        v_proj: await this.#linear(names.v_proj, kv, hidden_size, qkvBias),
        o_proj: await this.#linear(names.o_proj, hidden_size, q, 'optional'),
      },
      post_attention_layernorm: await this.#vector(`${names.post_attention_layernorm}.weight`, hidden_size),
      mlp: {
        gate_proj: await this.#linear(names.gate_proj, intermediate_size, hidden_size, 'optional'),
        up_proj: await this.#linear(names.up_proj, intermediate_size, hidden_size, 'optional'),
        down_proj: await this.#linear(names.down_proj, hidden_size, intermediate_size, 'optional'),
      },
    };
  }

  async ends(): Promise<Parameters<WeightUploader['ends']>[0]> {
    const { hidden_size, vocab_size } = this.#checkpoint.config;
    const table = async (name: string): Promise<Linear['pieces'][number]> =>
      this.#matrix(name, vocab_size, hidden_size, FORMATS[this.#weights].embedding);
    return {
      embed_tokens: await table('model.embed_tokens.weight'),
      norm: await this.#vector('model.norm.weight', hidden_size),
      lm_head: this.#checkpoint.config.tie_word_embeddings ? null : await table('lm_head.weight'),
    };
  }

  /** What was chosen for the user, in words. */
  notes(): string[] {
    return [...this.#changed].map(
      ([dtype, count]) =>
        `${count} tensors of type ${dtype} are read as ${asIsFormat(dtype)}: no kernel reads ${dtype} itself`,
    );
  }

  async #linear(name: string, rows: number, cols: number, bias: Architecture['qkvBias']): Promise<Linear> {
    const piece = await this.#matrix(`${name}.weight`, rows, cols, FORMATS[this.#weights].matrix);
    const hasBias = bias === 'required' || this.#checkpoint.tensors.has(`${name}.bias`);
    return { pieces: [piece], bias: hasBias ? await this.#vector(`${name}.bias`, rows) : null };
  }

  async #matrix(
    name: string,
    rows: number,
    cols: number,
    format: WeightFormat | 'as-is',
  ): Promise<Linear['pieces'][number]> {
    const entry = this.#entry(name);
    if (format === 'as-is' && !isKeptExactly(entry.dtype)) {
      this.#changed.set(entry.dtype, (this.#changed.get(entry.dtype) ?? 0) + 1);
    }
    return readPacked(entry, [rows, cols], format, this.#signal);
  }

  async #vector(name: string, length: number): Promise<Float32Array<ArrayBuffer>> {
    return readFloats(this.#entry(name), [length], this.#signal);
  }

  #entry(name: string): Parameters<typeof readFloats>[0] {
    const entry = this.#checkpoint.tensors.get(name);
    if (entry) return entry;
    throw new WebMlaError(
      'missing_file',
      `${this.#checkpoint.name}: expected a tensor ${name}, got none`,
      'The checkpoint is incomplete, or of another architecture than its configuration says.',
      { tensor: name },
    );
  }
}
