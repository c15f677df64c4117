import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import { SHAPES } from '../core/shapes.ts';
import type { ShapeName } from '../core/shapes.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openGpu } from '../gpu/device.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { architectureOf, longestContext } from '../model/architecture.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { PrefillMath } from '../model/plan.ts';
import type { Tuning } from '../model/tuning.ts';
import { median, spread } from './figures.ts';
import { MeasuredModel, runLength, someIds } from './measured_model.ts';
import { profileDecode, streamingRate } from './profile.ts';
import type { OperationProfile } from './profile.ts';
import { RandomDecoder } from './random_decoder.ts';
import type { RandomLatent } from './random_decoder.ts';
import { WeightReader } from './weight_reader.ts';
import type { AdapterInfo, AttentionForm, LoadProgress } from './types.ts';

export interface BenchOptions {
  readonly attention: AttentionForm;
  readonly cacheDtype: CacheFormat;
  /** Tokens in the cache when decoding is measured. */
  readonly contexts: readonly number[];
  /** Lengths of prompts. */
  readonly prefill: readonly number[];
  /** One thing that is usually fused left apart, to compare with. */
  readonly apart?: keyof Tuning;
  /** Default 'exact'. */
  readonly prefillMath?: PrefillMath;
  readonly onProgress?: (progress: BenchProgress) => void;
  readonly signal?: AbortSignal;
}

export interface BenchProgress {
  /** In words: 'decode at 1024' */
  readonly what: string;
  /** Of the whole work, 0 to 1: a guess. */
  readonly share: number;
  /** What is measured so far; null while the model is loaded. */
  readonly result: BenchResult | null;
}

export interface BenchRow {
  readonly attention: AttentionForm;
  readonly form: string;
  readonly cacheDtype: CacheFormat;
  readonly context: number;
  /** Median of the runs. */
  readonly decodeTokensPerSecond: number;
  /** In the order they were measured in. */
  readonly runsTokensPerSecond: readonly number[];
  /** (fastest - slowest) / median. */
  readonly spread: number;
  /** Of greedy decoding at this context. */
  readonly dispatchesPerToken: number;
  readonly weightBytesPerToken: number;
  readonly kvBytesPerToken: number;
  /** GPU time of the attention kernels of one token, all layers; null without timestamps. */
  readonly attentionMs: number | null;
  /** GPU time of a token; null without timestamps. */
  readonly tokenMs: number | null;
  /** Where the time of a token goes; empty without timestamps. */
  readonly operations: readonly OperationProfile[];
}

export interface BenchResult {
  readonly adapter: AdapterInfo;
  readonly features: readonly string[];
  readonly streamingGBs: number | null;
  readonly rows: readonly BenchRow[];
  readonly prefill: readonly {
    readonly attention: AttentionForm;
    readonly tokens: number;
    readonly tokensPerSecond: number;
  }[];
}

/** With random 4-bit weights. @param latent as MLA in this form */
export function sourceOfShape(shape: ShapeName, latent?: RandomLatent): DecoderSource {
  return new RandomDecoder(SHAPES[shape], 'q4_0', latent);
}

export function sourceOfCheckpoint(checkpoint: Checkpoint, signal?: AbortSignal): DecoderSource {
  return new WeightReader(checkpoint, architectureOf(checkpoint.config), 'as-is', signal);
}

/** Software adapters, whose figures nobody quotes, get less to do. */
const RUNS = { software: 3, hardware: 7 };

/** Share of the work that loading counts for. */
const LOADING = 0.3;

/** Measures one model: decoding at each context (rows of zeros stand for the tokens before) and prefill of each length. */
export async function bench(
  source: DecoderSource,
  webgpu: GPU | undefined,
  options: BenchOptions,
): Promise<BenchResult> {
  const { attention, cacheDtype, contexts, prefill, onProgress = () => {}, signal } = options;
  onProgress({ what: 'loading', share: 0, result: null });
  const gpu = await openGpu(webgpu);
  const length = runLength(gpu);
  const runs = gpu.info.software ? RUNS.software : RUNS.hardware;
  const behind = length.warmUp + length.tokens + 1;
  let model: MeasuredModel | undefined;
  try {
    const one = (model = await MeasuredModel.load(gpu, source, {
      attention,
      cacheDtype,
      contextLength: longestOf(source, contexts, prefill, behind),
      tuning: options.apart && { [options.apart]: false },
      prefillMath: options.prefillMath,
      onProgress: (progress) => onProgress({ ...loadingShare(progress), result: null }),
      signal,
    }));
    const timed = gpu.device.features.has('timestamp-query');
    const waiting: Timing[] = contexts.map((context) => ({ context, rates: [], profile: NO_PROFILE }));
    const prompts: BenchResult['prefill'][number][] = [];
    let [streamingGBs, done]: [number | null, number] = [null, 0];
    const result = (): BenchResult => ({
      adapter: gpu.info,
      features: [...gpu.device.features],
      streamingGBs,
      rows: waiting.filter(({ rates }) => rates.length > 0).map((timing) => benchRow(one, timing, options)),
      prefill: [...prompts],
    });
    const report = (what: string): void => {
      throwIfAborted(signal);
      const share = done++ / (contexts.length * (runs + (timed ? 1 : 0)) + prefill.length + 1);
      onProgress({ what, share: LOADING + (1 - LOADING) * share, result: result() });
    };
    report('streaming limit');
    if (timed) streamingGBs = await streamingRate(gpu);
    // Contexts in turns: what the machine does beside this falls on all of them.
    for (let run = 0; run < runs; run++) {
      for (const timing of waiting) {
        const { context, rates } = timing;
        report(`decode at ${context}, run ${run + 1} of ${runs}`);
        const ids = someIds(context, one.loaded.config.vocab_size);
        one.pretend(ids.slice(0, -1));
        // The first run warms up more than its own tokens.
        if (run === 0) await one.decodeRun(ids, length, signal);
        rates.push(1000 / (await one.decodeRun(ids, length, signal)));
      }
    }
    // Behind all runs: timestamps may slow a browser down.
    for (const timing of timed ? waiting : []) {
      report(`where the time goes at ${timing.context}`);
      timing.profile = await profileDecode(gpu, one.plan, timing.context);
    }
    for (const tokens of prefill) {
      report(`prefill of ${tokens}`);
      prompts.push({ attention, tokens, tokensPerSecond: await prefillRate(one, tokens, signal) });
    }
    return result();
  } finally {
    model?.destroy();
    gpu.device.destroy();
  }
}

/** Kernels are compiled last, and that takes as long as all layers. */
function loadingShare({ stage, unit, loaded, total }: LoadProgress): Pick<BenchProgress, 'what' | 'share'> {
  return {
    what:
      unit === 'layers' ? `loading layer ${loaded} of ${total}` : `compiling kernel ${loaded} of ${total}`,
    share: ((stage === 'warm up' ? 0.5 : 0) + (0.5 * loaded) / total) * LOADING,
  };
}

/** Positions that all measurements need. @param behind tokens decoded behind a context */
function longestOf(
  { config }: DecoderSource,
  contexts: readonly number[],
  prefill: readonly number[],
  behind: number,
): number {
  const longest = longestContext(config);
  const context = contexts.find((n) => n + behind > longest);
  const prompt = prefill.find((n) => n >= longest);
  const wrong = context === undefined ? prompt : context;
  if (wrong !== undefined) {
    const [what, most] = context === undefined ? ['prefill', longest - 1] : ['contexts', longest - behind];
    throw new WebMlaError(
      'bad_request',
      `${what}: expected at most ${most} with this model, got ${wrong}`,
      `The model was trained for ${longest} tokens, and some are decoded behind each context.`,
    );
  }
  return Math.max(...contexts.map((n) => n + behind), ...prefill.map((n) => n + 1), 2);
}

/** Of one context, while it is measured. */
interface Timing {
  readonly context: number;
  readonly rates: number[];
  profile: Pick<BenchRow, 'tokenMs' | 'operations'>;
}

const NO_PROFILE: Timing['profile'] = { tokenMs: null, operations: [] };

function benchRow(
  model: MeasuredModel,
  { context, rates, profile: { tokenMs, operations } }: Timing,
  { attention, cacheDtype }: BenchOptions,
): BenchRow {
  const { plan, form } = model;
  const attentionTimes = operations.filter(({ operation }) => /attention|combine/.test(operation));
  return {
    attention,
    form,
    cacheDtype,
    context,
    decodeTokensPerSecond: median(rates),
    runsTokensPerSecond: [...rates],
    spread: spread(rates),
    dispatchesPerToken: plan.dispatchesAt(context),
    weightBytesPerToken: model.weightBytesPerToken(context),
    kvBytesPerToken: plan.kvBytesPerToken,
    attentionMs: tokenMs === null ? null : attentionTimes.reduce((sum, { ms }) => sum + ms, 0),
    tokenMs,
    operations,
  };
}

/** The best of three: the first compiles and warms up. */
async function prefillRate(
  model: MeasuredModel,
  tokens: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const ids = someIds(tokens, model.loaded.config.vocab_size);
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    model.session.reset();
    best = Math.min(best, await model.prefill(ids, signal));
  }
  return (tokens * 1000) / best;
}
