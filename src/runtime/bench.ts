import { throwIfAborted } from '../core/errors.ts';
import { SHAPES } from '../core/shapes.ts';
import type { ShapeName } from '../core/shapes.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { architectureOf } from '../model/architecture.ts';
import type { DecoderSource } from './decoder_source.ts';
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
  readonly onProgress?: (what: string) => void;
  readonly signal?: AbortSignal;
}

export interface BenchRow {
  readonly attention: AttentionForm;
  readonly form: string;
  readonly cacheDtype: CacheFormat;
  readonly context: number;
  /** Median of the runs. */
  readonly decodeTokensPerSecond: number;
  /** (fastest - slowest) / median. */
  readonly spread: number;
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

export function sourceOfShape(shape: ShapeName): DecoderSource {
  return new RandomDecoder(SHAPES[shape], 'q4_0');
}

export function sourceOfCheckpoint(checkpoint: Checkpoint): DecoderSource {
  return new WeightReader(checkpoint, architectureOf(checkpoint.config), 'as-is', undefined);
}

const RUNS = 5;
const TOKENS = 48;
const WARM_UP = 12;

/** Measures one model: decoding at each context (rows of zeros stand for the tokens before) and prefill of each length. */
export async function bench(
  source: DecoderSource,
  webgpu: GPU | undefined,
  options: BenchOptions,
): Promise<BenchResult> {
  const { attention, cacheDtype, contexts, prefill, onProgress = () => {}, signal } = options;
  const longest = Math.max(...contexts.map((n) => n + RUNS * TOKENS + WARM_UP), ...prefill, 1) + 1;
  onProgress('loading');
  const gpu = await openGpu(webgpu);
  const depth = await measureDepth(gpu);
  const model = await loadDecoder(source, gpu, {
    attention,
    cacheDtype,
    contextLength: longest,
    promptLogits: false,
    spare: depth,
    onProgress: () => {},
    signal,
  });
  try {
    const session = new Session(gpu, model.plan, model.config.vocab_size, model.buffers, depth);
    const timed = gpu.device.features.has('timestamp-query');
    onProgress('streaming limit');
    const streamingGBs = timed ? await streamingRate(gpu) : null;
    const rows: BenchRow[] = [];
    for (const context of contexts) {
      throwIfAborted(signal);
      onProgress(`decode at ${context}`);
      rows.push(await decodeRow(gpu, model, session, context, options, timed));
    }
    const prompts: BenchResult['prefill'][number][] = [];
    for (const tokens of prefill) {
      throwIfAborted(signal);
      onProgress(`prefill of ${tokens}`);
      prompts.push({ attention, tokens, tokensPerSecond: await prefillRate(session, tokens) });
    }
    return { adapter: gpu.info, features: [...gpu.device.features], streamingGBs, rows, prefill: prompts };
  } finally {
    model.buffers.destroy();
    gpu.device.destroy();
  }
}

async function decodeRow(
  gpu: Gpu,
  model: LoadedModel,
  session: Session,
  context: number,
  { attention, cacheDtype }: BenchOptions,
  timed: boolean,
): Promise<BenchRow> {
  const { plan } = model;
  const rates = await decodeRates(session, context, model.contextLength);
  const { tokenMs, operations } = timed
    ? await profileDecode(gpu, plan, context)
    : { tokenMs: null, operations: [] };
  const step = plan.step(context, 1);
  const weights = [plan.decode, plan.head]
    .flat()
    .filter(({ label }) => label.endsWith('_proj') || label.endsWith('head'))
    .reduce((sum, dispatch) => sum + dispatch.bytesMoved(step), 0);
  const sorted = rates.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const attentionTimes = operations.filter(({ operation }) => /attention|combine/.test(operation));
  return {
    attention,
    form: attention === 'gqa' ? 'gqa' : 'strict',
    cacheDtype,
    context,
    decodeTokensPerSecond: median,
    spread: ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)) / median,
    dispatchesPerToken: plan.dispatchesPerToken,
    weightBytesPerToken: weights,
    kvBytesPerToken: plan.kvBytesPerToken,
    attentionMs: timed ? attentionTimes.reduce((sum, { ms }) => sum + ms, 0) : null,
    tokenMs,
    operations,
  };
}

/** Tokens a second in runs of TOKENS, one after another, after a few tokens to warm up. */
async function decodeRates(session: Session, context: number, room: number): Promise<number[]> {
  const prompt = Array.from({ length: context }, (_, i) => (i * 7919) % 1000);
  session.pretend(prompt.slice(0, -1));
  const times: number[] = [];
  for await (const id of session.generate(prompt, room, { sampling: 'argmax' })) {
    void id;
    times.push(performance.now());
    if (times.length > WARM_UP + RUNS * TOKENS) break;
  }
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const from = times[WARM_UP + run * TOKENS] ?? 0;
    const to = times[WARM_UP + (run + 1) * TOKENS] ?? NaN;
    rates.push((TOKENS * 1000) / (to - from));
  }
  return rates;
}

/** The best of three: the first compiles and warms up. */
async function prefillRate(session: Session, tokens: number): Promise<number> {
  const prompt = Array.from({ length: tokens }, (_, i) => (i * 7919) % 1000);
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    session.reset();
    let ms = Infinity;
    const onPrefilled = ({ prefillMs }: { prefillMs: number }): void => {
      ms = prefillMs;
    };
    for await (const id of session.generate(prompt, tokens + 1, { sampling: 'argmax', onPrefilled })) {
      void id;
      break;
    }
    best = Math.min(best, ms);
  }
  return (tokens * 1000) / best;
}
