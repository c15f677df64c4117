import { attentionShape } from '../convert/attention_shape.ts';
import { choiceOf, expectedLoss, plainCache } from '../convert/candidates.ts';
import type { Intent } from '../convert/candidates.ts';
import { goalOf } from '../convert/goal.ts';
import type { Goal } from '../convert/goal.ts';
import type { CandidateReport, ConversionReport } from '../convert/report.ts';
import { NOISE } from '../convert/rise_estimate.ts';
import type { Tried } from '../convert/rise_estimate.ts';
import { betterRival, winnerOf } from '../convert/verdict.ts';
import { WebMlaError } from '../core/errors.ts';
import { parameterCount } from '../formats/checkpoint.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { gpuMemory } from '../gpu/buffers.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import { architectureOf } from '../model/architecture.ts';
import { calibrate } from './calibrate.ts';
import { CandidateMeter } from './candidate_meter.ts';
import type { CalibrationInput, ConvertedModel, ConvertOptions } from './conversion_types.ts';
import { checkGqa, convertModel } from './convert_model.ts';
import { cachedBytes } from './converted_weights.ts';
import { measureConverted } from './converted_quality.ts';
import { holdBack } from './held_back_rows.ts';
import { searchBudget, searchLoss } from './search_budget.ts';
import type { SearchResult } from './search_budget.ts';
import { WeightReader } from './weight_reader.ts';

export type { CandidateReport, ConversionReport, Intent };

export interface SearchOptions {
  /**
   * Rows held back from the calibration, to measure on; 0: nothing is measured, and predictions choose. Default 4, of few rows a
   * quarter; 0 for a budget on software adapters, unless the model is tiny.
   */
  readonly windows?: number | undefined;
  /** Conversions that are measured at most. Default 6. */
  readonly candidates?: number | undefined;
}

export interface IntentProgress {
  readonly stage: 'calibrate' | 'search' | 'refine' | 'convert' | 'measure';
  /** Done and in all, in steps of the stage; a search may end before. */
  readonly loaded: number;
  readonly total: number;
  /** What is at hand, in words. */
  readonly item?: string;
}

export interface IntentOptions extends Omit<ConvertOptions, 'choice' | 'calibration' | 'onProgress'> {
  readonly intent: Intent;
  readonly calibration: CalibrationInput & {
    /** Of the rows that are not held back, so many at most are used. Default all. */
    readonly calibratedRows?: number | undefined;
  };
  readonly search?: SearchOptions | undefined;
  readonly onProgress: (progress: IntentProgress) => void;
}

export interface ModelByIntent extends ConvertedModel {
  readonly report: ConversionReport;
}

const CANDIDATES = 6;
/** Of the original's own cache. */
const RIVALS = ['int8', 'int4'] as const;
/** What a software adapter scores unasked. */
const SOFTWARE_PARAMETERS = 5e6;

/**
 * Converts a checkpoint to what a person asks for: a share of the cache, a loss, or widths. What is left open (form, dtype, rank)
 * is searched for by measuring conversions without refit on rows that the calibration does not see; the winner is then converted
 * with refit and measured again (ADR 0014).
 * @throws WebMlaError `bad_request` for an intent that makes no sense, a budget that no row fits, a loss that nothing stays within
 *   (details.best says what came nearest), and rows too few to hold any back; else as convertModel does
 */
export async function convertByIntent(
  checkpoint: Checkpoint,
  options: IntentOptions,
): Promise<ModelByIntent> {
  const { intent, calibration, search = {}, onProgress, signal } = options;
  const { config } = checkpoint;
  checkGqa(checkpoint);
  const shape = attentionShape(config);
  const goal = goalOf(shape, config.num_hidden_layers, intent);
  const most = search.candidates ?? CANDIDATES;
  if (!(Number.isInteger(most) && most >= 1)) {
    throw new WebMlaError('bad_request', `search candidates: expected a whole number from 1, got ${most}`);
  }
  const mayMeasure = calibration.rows.length > 0 && search.windows !== 0;
  const gpu = mayMeasure || calibration.statistics === undefined ? await openGpu(await options.gpu()) : null;
  try {
    const { rest, held } = holdBack(calibration.rows, {
      ...heldBackFor(goal, calibration, search.windows ?? unasked(gpu, checkpoint, goal)),
      leave: calibration.statistics && calibration.refitRows === 0 ? 0 : 1,
    });
    const rows = rest.slice(0, calibration.calibratedRows);
    const reader = new WeightReader(checkpoint, architectureOf(config), options.weights, signal);
    const started = performance.now();
    gpuMemory.peak = gpuMemory.bytes;
    const known = calibration.statistics ?? (await options.kept?.find(rows)) ?? null;
    const statistics =
      known ??
      (await calibrate(presentGpu(gpu), config, reader, rows, {
        signal,
        onProgress: ({ loaded, total }) => onProgress({ stage: 'calibrate', loaded, total }),
      }));
    if (!known) await options.kept?.keep(rows, statistics);
    const calibrateMs = performance.now() - started;
    const calibrateBytes = gpuMemory.peak;

    let loaded = 0;
    const total = 1 + RIVALS.length + (goal.kind === 'fixed' ? 0 : most);
    const meter = new CandidateMeter(() => presentGpu(gpu), {
      source: reader,
      statistics,
      intent,
      madeWeights: options.madeWeights ?? 'f16',
      windows: held,
      threads: options.threads,
      onMeasure: (item) => onProgress({ stage: 'search', loaded: loaded++, total, item }),
      signal,
    });
    if (held.length > 0) await meter.original();
    const gqaBytes = plainCache(shape, config.num_hidden_layers, 'f16').bytes;
    // A rival may take what was granted, or what widths that were given come to.
    const granted = (intent.kvBudget ?? 1) * gqaBytes;
    const bytes = goal.kind === 'fixed' && intent.kvBudget === undefined ? goal.candidate.bytes : granted;
    const rivals: CandidateReport[] = [];
    for (const dtype of RIVALS) {
      const rival = plainCache(shape, config.num_hidden_layers, dtype);
      const measured = held.length > 0 && rival.bytes <= bytes ? await meter.measure(rival) : null;
      rivals.push({ ...rival, expectedLoss: expectedLoss(0, dtype), estimatedRise: null, measured });
    }
    const found = await searched(meter, goal, held.length > 0 ? most : 0, rivals);
    const winner = winnerOf(goal, found, rivals);

    const choice = goal.kind === 'fixed' ? goal.choice : choiceOf(intent, winner);
    const convertAndMeasure = async (
      refitRows: number,
      refineSteps: number,
    ): Promise<{ model: ConvertedModel; quality: Awaited<ReturnType<typeof measureConverted>> | null }> => {
      const model = await convertModel(checkpoint, {
        ...options,
        choice,
        refineSteps,
        retain: held.length > 0,
        calibration: { ...calibration, rows, statistics, refitRows: Math.min(refitRows, rows.length) },
      });
      const { decoder, latent } = model;
      if (!decoder) return { model, quality: null };
      onProgress({ stage: 'measure', loaded: 0, total: 1 });
      const made = { decoder, latent };
      return { model, quality: await measureConverted(presentGpu(gpu), meter, made, reader, gqaBytes) };
    };
    let { model, quality } = await convertAndMeasure(calibration.refitRows, options.refineSteps ?? 0);
    const refitUndone =
      goal.kind === 'loss' &&
      calibration.refitRows + (options.refineSteps ?? 0) > 0 &&
      (quality?.heldOut.rise ?? 0) > goal.maxLoss;
    // As the search made it, without either, it was measured to be within the loss.
    if (refitUndone) ({ model, quality } = await convertAndMeasure(0, 0));
    return {
      ...model,
      decoder: null,
      timings: { ...model.timings, calibrateMs: known ? 0 : calibrateMs },
      gpuBytes: { ...model.gpuBytes, calibrate: calibrateBytes },
      report: {
        kvBudget: intent.kvBudget ?? null,
        maxLoss: intent.maxLoss ?? null,
        gqaBytes,
        chosen: { ...winner, bytes: cachedBytes(model.latent) },
        candidates: found.candidates,
        rivals,
        better: quality && betterRival(rivals, quality.heldOut, goal),
        heldOut: quality?.heldOut ?? null,
        refitUndone,
        decode: quality?.decode ?? null,
      },
    };
  } catch (error) {
    throw gpu?.failure() ?? error;
  } finally {
    gpu?.device.destroy();
  }
}

/** Windows where nobody asked for a number; undefined: as many as there should be. */
function unasked(gpu: Gpu | null, checkpoint: Checkpoint, goal: Goal): number | undefined {
  const slow = gpu?.info.software === true && parameterCount(checkpoint) > SOFTWARE_PARAMETERS;
  return slow && goal.kind !== 'loss' ? 0 : undefined;
}

function heldBackFor(
  { kind }: Goal,
  { rows }: CalibrationInput,
  windows: number | undefined,
): { readonly windows: number | undefined; readonly needed: boolean } {
  const open = kind === 'budget' && windows === undefined && rows.length > 0;
  return { windows, needed: kind === 'loss' || open };
}

async function searched(
  meter: CandidateMeter,
  goal: Goal,
  most: number,
  rivals: readonly CandidateReport[],
): Promise<SearchResult> {
  // What rounding costs the plain cache is the first thing that is known of losses.
  const known = rivals.flatMap((candidate): Tried[] =>
    candidate.measured && candidate.measured.rise > NOISE
      ? [{ candidate, expected: candidate.expectedLoss ?? 0, rise: candidate.measured.rise }]
      : [],
  );
  switch (goal.kind) {
    case 'fixed':
      return { chosen: null, candidates: [] };
    case 'budget':
      return searchBudget(meter, goal.candidates, most, known);
    case 'loss':
      return searchLoss(meter, goal.families, goal.maxLoss, most, known);
  }
}

/** @throws WebMlaError `internal`: what needs it is not reached without */
function presentGpu(gpu: Gpu | null): Gpu {
  if (gpu) return gpu;
  throw new WebMlaError('internal', 'GPU: expected to be open, got none');
}
