import type { CacheFormat } from '../core/cache_rows.ts';
import { isShapeName, SHAPE_NAMES } from '../core/shapes.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import { bench as measure, sourceOfCheckpoint, sourceOfShape } from '../runtime/bench.ts';
import type { BenchProgress, BenchResult } from '../runtime/bench.ts';
import type { DecoderSource } from '../runtime/decoder_source.ts';
import type { Arguments } from './arguments.ts';
import { openDawn } from './dawn.ts';
import { openFiles } from './node_files.ts';
import { UsageError } from './usage.ts';

const CONTEXTS = [128, 1024, 4096];
const PREFILL = [512, 2048];
/** Of the cache, where a form is asked for and no budget. */
const QUARTER = 0.25;

/** webmla bench: speed of a model, or of a shape with random 4-bit weights. */
export async function bench(args: Arguments): Promise<BenchResult> {
  const cacheDtype = args.choice('cache-dtype', ['f32', 'f16', 'int8', 'int4']) ?? 'f16';
  const source = await sourceOf(args, cacheDtype);
  const attention = args.choice('attention', ['gqa', 'mla']) ?? (source.latent ? 'mla' : 'gqa');
  const apart = args.choice('apart', ['append', 'fold', 'narrow']);
  const prefillMath = args.choice('prefill-math', ['exact', 'int8']);
  const progress = process.stderr.isTTY
    ? ({ what }: BenchProgress) => void process.stderr.write(`${what}\n`)
    : () => {};
  return measure(source, await openDawn(), {
    attention,
    cacheDtype,
    contexts: args.numbers('contexts') ?? CONTEXTS,
    prefill: args.numbers('prefill') ?? PREFILL,
    ...(apart && { apart }),
    ...(prefillMath && { prefillMath }),
    onProgress: progress,
  });
}

export function printBench({ adapter, streamingGBs, rows, prefill }: BenchResult): string {
  const lines = [`${adapter.vendor} ${adapter.architecture} ${adapter.description}`];
  if (streamingGBs !== null) lines.push(`streaming limit ${streamingGBs.toFixed(0)} GB/s`);
  for (const row of rows) {
    lines.push(
      `${row.attention} ${row.form} ${row.cacheDtype} at ${row.context}: ${row.decodeTokensPerSecond.toFixed(1)} tokens/s, ${row.dispatchesPerToken} dispatches, GPU ${row.tokenMs?.toFixed(3) ?? '?'} ms a token`,
    );
    for (const { operation, dispatches, ms, gbs } of row.operations) {
      const us = ((ms * 1000) / dispatches).toFixed(1).padStart(8);
      lines.push(
        `  ${operation.padEnd(14)} ${String(dispatches).padStart(4)} x ${us} us ${gbs.toFixed(0).padStart(6)} GB/s`,
      );
    }
  }
  for (const { tokens, tokensPerSecond } of prefill)
    lines.push(`prefill of ${tokens}: ${tokensPerSecond.toFixed(0)} tokens/s`);
  return lines.join('\n');
}

async function sourceOf(args: Arguments, cacheDtype: CacheFormat): Promise<DecoderSource> {
  const shape = args.text('shape');
  const model = args.text('model');
  if ((shape === undefined) === (model === undefined))
    throw new UsageError('bench needs one of --shape and --model');
  const form = args.choice('form', ['strict', 'reuse', 'recon']);
  const kvBudget = args.number('kv-budget');
  if (model !== undefined) {
    if (form !== undefined || kvBudget !== undefined)
      throw new UsageError('--form and --kv-budget go with --shape');
    return sourceOfCheckpoint(await openCheckpoint(await openFiles(model)));
  }
  if (shape === undefined || !isShapeName(shape)) {
    throw new UsageError(`--shape: expected one of ${SHAPE_NAMES.join(', ')}, got ${shape ?? ''}`);
  }
  if (form === undefined && kvBudget === undefined) return sourceOfShape(shape);
  return sourceOfShape(shape, { form: form ?? 'reuse', kvBudget: kvBudget ?? QUARTER, cacheDtype });
}
