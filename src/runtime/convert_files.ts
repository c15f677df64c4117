import type { LayerReport } from '../convert/report.ts';
import { asWebMlaError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import type { ModelStore } from '../formats/model_store.ts';
import { calibrationRows, REFIT_ROWS, SEARCH_ROWS } from './calibration_rows.ts';
import { intentOf } from './conversion_choice.ts';
import type { ConversionWish } from './conversion_choice.ts';
import { convertByIntent } from './convert_by_intent.ts';
import type { IntentProgress } from './convert_by_intent.ts';
import type { KeptStatistics } from './conversion_types.ts';
import type { LayerThreads } from './layer_pool.ts';
import { findStatistics, keepStatistics, modelHash, statisticsAddress } from './statistics_store.ts';
import type { CacheDtype, LoadProgress } from './types.ts';

/** A conversion on the way to an engine: files in, files out. Plain data, so that a worker may do it. */

export interface ConversionRequest {
  readonly wish: ConversionWish;
  readonly cacheDtype: CacheDtype | undefined;
  /** Text to calibrate on. */
  readonly text: string;
}

/** A converted checkpoint. */
export interface ConvertedFiles {
  /** As File: outside of the memory of whoever made them. */
  readonly files: readonly File[];
  /** Of the original. */
  readonly name: string;
  readonly conversion: Conversion;
  /** What happened on the way and is worth knowing. */
  readonly notes: readonly string[];
}

/** What a conversion before loading adds to EngineInfo. */
export interface Conversion {
  readonly reports: readonly LayerReport[];
  /** Calibration included. */
  readonly ms: number;
}

/** What differs from host to host. */
export interface ConversionHost {
  readonly gpu: () => Promise<GPU | undefined>;
  readonly threads: LayerThreads | null;
  /** Keeps statistics; null: nothing is kept. */
  readonly store: ModelStore | null;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calibrates and converts. The GPU is free again when it ends.
 * @throws WebMlaError as openCheckpoint, calibrationRows and convertByIntent do
 */
export async function convertFiles(
  files: ModelFiles,
  { wish, cacheDtype, text }: ConversionRequest,
  host: ConversionHost,
): Promise<ConvertedFiles> {
  const { gpu, threads, store, signal } = host;
  const notes: string[] = [];
  const started = performance.now();
  try {
    const checkpoint = await openCheckpoint(files, signal);
    const rows = calibrationRows(checkpoint, text, wish.calibration?.tokens, SEARCH_ROWS);
    const { files: folder, reports } = await convertByIntent(checkpoint, {
      intent: intentOf(wish, cacheDtype),
      calibration: { ...rows, refitRows: (wish.refit ?? true) ? REFIT_ROWS : 0 },
      ...(wish.refineSteps !== undefined && { refineSteps: wish.refineSteps }),
      kept: store && statisticsIn(store, checkpoint, notes, signal),
      gpu,
      threads,
      // The engine chooses formats when it loads what is made here.
      weights: 'as-is',
      keep: (bytes) => new Blob([bytes]),
      ...(signal && { signal }),
      onProgress: (progress) => host.onProgress(inLayers(progress, checkpoint)),
    });
    return {
      files: [...folder].map(([name, parts]) => new File([...parts], name)),
      name: checkpoint.name,
      conversion: { reports, ms: performance.now() - started },
      notes,
    };
  } catch (error) {
    throw asWebMlaError(error);
  }
}

/** Statistics in the store. One that fails is no reason not to convert: a note says so. */
function statisticsIn(
  store: ModelStore,
  checkpoint: Checkpoint,
  notes: string[],
  signal: AbortSignal | undefined,
): KeptStatistics {
  let model: Promise<string> | undefined;
  const unlessStorageFails = async <T>(work: (model: string) => Promise<T>): Promise<T | null> => {
    try {
      return await work(await (model ??= modelHash(checkpoint, signal)));
    } catch (error) {
      const failure = asWebMlaError(error);
      if (failure.code !== 'storage') throw failure;
      const note = `The calibration is not kept on this device: ${failure.message}`;
      if (!notes.includes(note)) notes.push(note);
      return null;
    }
  };
  return {
    find: (rows) =>
      unlessStorageFails(async (hash) =>
        findStatistics(store, await statisticsAddress(checkpoint, hash, rows), checkpoint, signal),
      ),
    keep: async (rows, layers) => {
      await unlessStorageFails(async (hash) =>
        keepStatistics(store, await statisticsAddress(checkpoint, hash, rows), checkpoint, layers, signal),
      );
    },
  };
}

/** Calibration counts rows of layers. */
function inLayers({ stage, item, ...done }: IntentProgress, { config }: Checkpoint): LoadProgress {
  const { loaded, total } = done;
  if (stage !== 'calibrate' && stage !== 'convert') {
    return { stage, ...done, unit: 'steps', ...(item !== undefined && { item }) };
  }
  const layers = config.num_hidden_layers;
  return { stage, loaded: (loaded / total) * layers, total: layers, unit: 'layers' };
}
