import { convertExact } from '../convert/exact.ts';
import type { LayerReport } from '../convert/report.ts';
import type { ModelConfig } from '../core/config.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { DecoderLayer, FoldableMla, GqaAttention, LatentForm } from '../core/layers.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import { adapterOf } from '../kernels/attention_tuning.ts';
import { stride } from '../kernels/parts.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { architectureOf, longestContext } from '../model/architecture.ts';
import { foldProjections } from '../model/fold.ts';
import { buildPlan } from '../model/plan.ts';
import type { Plan, PrefillMath } from '../model/plan.ts';
import { TUNING } from '../model/tuning.ts';
import type { Tuning } from '../model/tuning.ts';
import { WeightUploader } from '../model/weights.ts';
import type { DeviceLayer, FormatBytes } from '../model/weights.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { AttentionForm, LoadProgress, WeightChoice } from './types.ts';
import { WeightReader } from './weight_reader.ts';

export interface LoadOptions {
  readonly attention: AttentionForm;
  readonly weights: WeightChoice;
  readonly cacheDtype: CacheFormat;
  readonly contextLength: number | undefined;
  /** Also build what gives the logits of every prompt position. */
  readonly promptLogits: boolean;
  /** Tokens of a prefill step at most. Default: as many as usual, fewer where the logits of each are wanted. */
  readonly chunk?: number | undefined;
  /** Steps that may be in flight behind the end of the context. */
  readonly spare: number;
  /** For measurements; default: everything that is fused. */
  readonly tuning?: Partial<Tuning> | undefined;
  /** Default 'exact'. */
  readonly prefillMath?: PrefillMath | undefined;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly signal: AbortSignal | undefined;
  /** Of the same device: what an earlier load compiled is not compiled again. */
  readonly pipelines?: Pipelines | undefined;
  /** What is compiled is not waited for: the caller does `pipelines.compileAll()` before the plan runs. */
  readonly compileLater?: boolean | undefined;
  /** Those of this model, still empty: somebody who loads several may let them share. */
  readonly buffers?: Buffers | undefined;
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
  /** Of the first layer that is MLA; null: all are GQA. */
  readonly latentForm: LatentForm | null;
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
  const architecture = architectureOf(checkpoint.config);
  return loadDecoder(
    new WeightReader(checkpoint, architecture, options.weights, options.signal),
    gpu,
    options,
  );
}

/** The same from any source of weights. */
export async function loadDecoder(
  source: DecoderSource,
  gpu: Gpu,
  options: Omit<LoadOptions, 'weights'>,
): Promise<LoadedModel> {
  const { config } = source;
  const contextLength = chooseContext(config, options.contextLength);
  const buffers = options.buffers ?? new Buffers(gpu.device);
  const tuning = { ...TUNING, ...options.tuning };
  const wanted = options.prefillMath ?? 'exact';
  const prefillMath = gpu.info.packedDot ? wanted : 'exact';
  try {
    const uploader = new WeightUploader(buffers, gpu.device.limits.maxStorageBufferBindingSize);
    const layers: DeviceLayer[] = [];
    const reports: LayerReport[] = [];
    let convertMs = 0;
    const total = config.num_hidden_layers;
    const report = (stage: 'convert' | 'upload', loaded: number): void =>
      options.onProgress({ stage, loaded, total, unit: 'layers' });
    for (let i = 0; i < total; i++) {
      throwIfAborted(options.signal);
      const latent = source.latent?.layers[i];
      let layer: DecoderLayer<GqaAttention | FoldableMla>;
      if (source.convertedLayer) {
        const made = await source.convertedLayer(i);
        const heads = config.num_attention_heads;
        layer = tuning.fold ? { ...made, self_attn: foldProjections(made.self_attn, heads, null) } : made;
      } else if (latent && source.latentLayer) {
        layer = await source.latentLayer(i, latent, tuning.fold);
      } else if (options.attention === 'mla') {
        const original = await source.layer(i);
        const started = performance.now();
        const converted = convertExact(config, i, original.self_attn);
        layer = { ...original, self_attn: converted.attention };
        reports.push(converted.report);
        convertMs += performance.now() - started;
        report('convert', i + 1);
      } else {
        layer = await source.layer(i);
      }
      layers.push(await watchMemory(gpu.device, `layer ${i}`, () => uploader.layer(`layers.${i}`, layer)));
      throwIfFailed(gpu);
      report('upload', i + 1);
    }
    const ends = await source.ends();
    const deviceEnds = await watchMemory(gpu.device, 'embeddings', () => uploader.ends(ends));
    const weightBytes = buffers.bytes;

    const pipelines = options.pipelines ?? new Pipelines(gpu.device);
    const plan = await watchMemory(gpu.device, 'cache and activations', () =>
      buildPlan(config, layers, deviceEnds, pipelines, buffers, {
        max_len: contextLength,
        cacheFormat: options.cacheDtype,
        chunk: options.chunk ?? chunkSize(gpu, config, contextLength, options.promptLogits),
        promptLogits: options.promptLogits,
        spare: options.spare,
        adapter: adapterOf(gpu),
        tuning,
        prefillMath,
      }),
    );
    if (!options.compileLater) {
      await pipelines.compileAll((loaded, count) =>
        options.onProgress({ stage: 'warm up', loaded, total: count, unit: 'steps' }),
      );
    }
    throwIfAborted(options.signal);
    throwIfFailed(gpu);
    return {
      config,
      plan,
      buffers,
      contextLength,
      weightBytes,
      formatBytes: uploader.formatBytes,
      conversion: reports.length > 0 ? reports : null,
      convertMs,
      latentForm:
        layers.flatMap(({ attention }) => ('latent' in attention ? [attention.latent] : []))[0] ?? null,
      notes: [...source.notes(), ...foldNotes(layers), ...(prefillMath === wanted ? [] : [NO_PACKED_DOT])],
    };
  } catch (error) {
    buffers.destroy();
    throw gpu.failure() ?? error;
  }
}

/** Memory for the logits of a prefill step; half of what every device can bind. */
const LOGITS_BYTES = 2 ** 26;

/** Up to this width a matrix has too few tiles to fill a large GPU with 1,024 tokens, and a step stays short with twice as many. */
const SMALL_HIDDEN = 1024;

/** Tokens of a prefill step. */
function chunkSize(
  gpu: Gpu,
  { hidden_size, vocab_size }: ModelConfig,
  contextLength: number,
  promptLogits: boolean,
): number {
  const most = hidden_size <= SMALL_HIDDEN ? 2048 : 1024;
  const usual = Math.min(gpu.info.software ? 64 : most, contextLength);
  return promptLogits
    ? Math.min(usual, Math.max(2, Math.floor(LOGITS_BYTES / (stride(vocab_size) * 4))))
    : usual;
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

const NO_PACKED_DOT = 'prefillMath: exact, since this browser has no packed_4x8_integer_dot_product.';

/** What a token does without, in words. */
function foldNotes(layers: readonly DeviceLayer[]): string[] {
  const mla = layers.flatMap(({ attention }) => (attention.form === 'mla' ? [attention] : []));
  const count = (of: 'embed_q' | 'unembed_out'): number => mla.filter((one) => one[of] === null).length;
  if (count('embed_q') + count('unembed_out') === 0) return [];
  return [
    `Products made ahead: embed_q in q_proj (${count('embed_q')} of ${mla.length} layers), unembed_out in o_proj (${count('unembed_out')}).`,
  ];
}

function throwIfFailed(gpu: Gpu): void {
  const failure = gpu.failure();
  if (failure) throw failure;
}
