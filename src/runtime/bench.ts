import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { LatentForm } from '../core/layers.ts';
import { SHAPES } from '../core/shapes.ts';
import type { ShapeName } from '../core/shapes.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { architectureOf, longestContext } from '../model/architecture.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { Tuning } from '../model/tuning.ts';
import { loadDecoder } from './load.ts';
import type { LoadedModel } from './load.ts';
import { profileDecode, streamingRate } from './profile.ts';
import type { OperationProfile } from './profile.ts';
import { measureDepth } from './readback_latency.ts';
import { RandomDecoder } from './random_decoder.ts';
import { Session } from './session.ts';
import { WeightReader } from './weight_reader.ts';
import type { AdapterInfo, AttentionForm } from './types.ts';

export interface BenchOptions {
  readonly attention: AttentionForm;
  readonly cacheDtype: CacheFormat;
  /** Tokens in the cache when decoding is measured. */
  readonly contexts: readonly number[];
  /** Lengths of prompts. */
  readonly prefill: readonly number[];
  /** One thing that is usually fused left apart, to compare with. */
  readonly apart?: keyof Tuning;
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

/** @param latent MLA in this form, with a quarter of the shape's cache */
export function sourceOfShape(shape: ShapeName, latent?: LatentForm): DecoderSource {
  return new RandomDecoder(SHAPES[shape], 'q4_0', latent);
}

export function sourceOfCheckpoint(checkpoint: Checkpoint, signal?: AbortSignal): DecoderSource {
  return new WeightReader(checkpoint, architectureOf(checkpoint.config), 'as-is', signal);
}

const RUNS = 5;
/** Tokens of a run. */
const TOKENS = 48;
/** On software adapters, whose figures nobody quotes. */
const SOFTWARE_TOKENS = 6;
const WARM_UP = 12;

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
  const runTokens = gpu.info.software ? SOFTWARE_TOKENS : TOKENS;
  const depth = await measureDepth(gpu);
  const model = await loadDecoder(source, gpu, {
    attention,
    cacheDtype,
    contextLength: longestOf(source, contexts, prefill, WARM_UP + RUNS * runTokens + 1),
    promptLogits: false,
    spare: depth,
    tuning: options.apart && { [options.apart]: false },
    onProgress: ({ stage, loaded, total, unit }) => {
      // Kernels are compiled last, and that takes as long as all layers.
      const share = ((stage === 'warm up' ? 0.5 : 0) + (0.5 * loaded) / total) * LOADING;
      const what =
        unit === 'layers' ? `loading layer ${loaded} of ${total}` : `compiling kernel ${loaded} of ${total}`;
      onProgress({ what, share, result: null });
    },
    signal,
  });
  try {
    const session = new Session(gpu, model.plan, model.config.vocab_size, model.buffers, depth);
    const timed = gpu.device.features.has('timestamp-query');
    const rows: BenchRow[] = [];
    const prompts: BenchResult['prefill'][number][] = [];
    let streamingGBs: number | null = null;
    const result = (): BenchResult => ({
      adapter: gpu.info,
      features: [...gpu.device.features],
      streamingGBs,
      rows: [...rows],
      prefill: [...prompts],
    });
    const report = (what: string): void => {
      throwIfAborted(signal);
      const done = (rows.length + prompts.length) / (contexts.length + prefill.length);
      onProgress({ what, share: LOADING + (1 - LOADING) * done, result: result() });
    };
    report('streaming limit');
    if (timed) streamingGBs = await streamingRate(gpu);
    for (const context of contexts) {
      report(`decode at ${context}`);
      rows.push(await decodeRow(gpu, model, session, context, options, runTokens));
    }
    for (const tokens of prefill) {
      report(`prefill of ${tokens}`);
      prompts.push({ attention, tokens, tokensPerSecond: await prefillRate(session, tokens, signal) });
    }
    return result();
  } finally {
    model.buffers.destroy();
    gpu.device.destroy();
  }
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

async function decodeRow(
  gpu: Gpu,
  model: LoadedModel,
  session: Session,
  context: number,
  { attention, cacheDtype, signal }: BenchOptions,
  runTokens: number,
): Promise<BenchRow> {
  const { plan } = model;
  const timed = gpu.device.features.has('timestamp-query');
  const rates = await decodeRates(session, context, model.contextLength, runTokens, signal);
  const { tokenMs, operations } = timed
    ? await profileDecode(gpu, plan, context)
    : { tokenMs: null, operations: [] };
  const step = plan.step(context, 1);
  const weights = [plan.decode, plan.greedy]
    .flat()
    .filter(({ label }) => label.endsWith('_proj') || label.endsWith('head'))
    .reduce((sum, dispatch) => sum + dispatch.bytesMoved(step), 0);
  const sorted = rates.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const attentionTimes = operations.filter(({ operation }) => /attention|combine/.test(operation));
  return {
    attention,
    form: model.latentForm ?? 'gqa',
    cacheDtype,
    context,
    decodeTokensPerSecond: median,
    runsTokensPerSecond: rates,
    spread: ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)) / median,
    dispatchesPerToken: plan.dispatchesAt(context),
    weightBytesPerToken: weights,
    kvBytesPerToken: plan.kvBytesPerToken,
    attentionMs: timed ? attentionTimes.reduce((sum, { ms }) => sum + ms, 0) : null,
    tokenMs,
    operations,
  };
}

/** Tokens a second in runs, one after another, after a few tokens to warm up. */
async function decodeRates(
  session: Session,
  context: number,
  room: number,
  runTokens: number,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const prompt = Array.from({ length: context }, (_, i) => (i * 7919) % 1000);
  session.pretend(prompt.slice(0, -1));
  const times: number[] = [];
  for await (const id of session.generate(prompt, room, { sampling: 'argmax', signal })) {
    void id;
    times.push(performance.now());
    if (times.length > WARM_UP + RUNS * runTokens) break;
  }
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const from = times[WARM_UP + run * runTokens] ?? 0;
    const to = times[WARM_UP + (run + 1) * runTokens] ?? NaN;
    rates.push((runTokens * 1000) / (to - from));
  }
  return rates;
}

/** The best of three: the first compiles and warms up. */
async function prefillRate(
  session: Session,
  tokens: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const prompt = Array.from({ length: tokens }, (_, i) => (i * 7919) % 1000);
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    session.reset();
    let ms = Infinity;
    const onPrefilled = ({ prefillMs }: { prefillMs: number }): void => {
      ms = prefillMs;
    };
    for await (const id of session.generate(prompt, tokens + 1, {
      sampling: 'argmax',
      onPrefilled,
      signal,
    })) {
      void id;
      break;
    }
    best = Math.min(best, ms);
  }
  return (tokens * 1000) / best;
}
