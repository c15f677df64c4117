import type { MethodChoice } from '../convert/budget.ts';
import type { LayerReport } from '../convert/report.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { LatentConfig } from '../formats/latent_config.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { ModelFolder } from './latent_files.ts';
import type { LayerThreads } from './layer_pool.ts';
import type { WeightChoice } from './types.ts';

/** What a conversion of a whole checkpoint takes and gives (convert_model.ts). */

export interface CalibrationInput {
  /** Rows of token ids, each a sequence of its own. */
  readonly rows: readonly Uint32Array<ArrayBuffer>[];
  /** Of an earlier calibration: rows are then needed for the refit only. */
  readonly statistics?: readonly LayerStatistics[] | undefined;
  /** Refits o_proj on so many of the rows; 0: not at all. */
  readonly refitRows: number;
  /** What the weights alone say of a text counts as so many tokens (convert/shrunk_statistics.ts). Default 0: for many rows. */
  readonly priorTokens?: number;
}

/** Rows that statistics were gathered over are part of what they are. */
export interface KeptStatistics {
  /** @returns null when there are none */
  find(rows: CalibrationInput['rows']): Promise<readonly LayerStatistics[] | null>;
  keep(rows: CalibrationInput['rows'], statistics: readonly LayerStatistics[]): Promise<void>;
}

export interface ConvertProgress {
  readonly stage: 'calibrate' | 'refine' | 'convert';
  /** Done and in all: rows times layers, steps times layers, or layers. */
  readonly loaded: number;
  readonly total: number;
}

export interface ConvertOptions {
  readonly choice:
    | MethodChoice
    | { readonly method: 'exact'; readonly cacheDtype: LatentConfig['cacheDtype'] };
  /** Not needed by `exact`. */
  readonly calibration?: CalibrationInput;
  /** Opens the GPU, when it is needed. */
  readonly gpu: () => Promise<GPU | undefined>;
  /** Of matrices that the conversion leaves alone. */
  readonly weights: WeightChoice;
  /** Of those that it makes, default f16; of all of them in format deepseek: f32 (default) or bf16. */
  readonly madeWeights?: WeightFormat;
  /** Steps of Adam on all maps of each layer, on the rows of the refit (or as many, without one). Default 0. */
  readonly refineSteps?: number;
  /** Layout of the result. 'deepseek': exportable strict layers only. Default 'webmla'. */
  readonly format?: 'webmla' | 'deepseek';
  readonly onProgress: (progress: ConvertProgress) => void;
  /** Keep the layers in memory besides, for `decoder`. */
  readonly retain?: boolean;
  /** Statistics of earlier conversions, and where new ones go. */
  readonly kept?: KeptStatistics | null;
  /** Where made weights stay until they are read. Default: in memory. */
  readonly keep?: (bytes: Uint8Array<ArrayBuffer>) => Blob;
  /** For the algebra. Default: this thread. */
  readonly threads?: LayerThreads | null;
  readonly signal?: AbortSignal;
}

/** A converted checkpoint as the files of a folder. */
export interface ConvertedModel {
  readonly latent: LatentConfig;
  readonly reports: readonly LayerReport[];
  readonly statistics: readonly LayerStatistics[] | null;
  readonly calibrationTokens: number;
  readonly files: ModelFolder;
  /** What the files hold, to be loaded at once; null unless it was asked for. */
  readonly decoder: DecoderSource | null;
  readonly timings: ConvertTimings;
  /** Most GPU memory that was in use at a time, residual streams and one layer's weights with it. */
  readonly gpuBytes: Readonly<Record<'calibrate' | 'convert', number>>;
}

/**
 * Parts of convertMs: recalibrateMs (transmla's second calibration), refineMs, refitMs (solveMs, its equations on the host, is a
 * part of that), algebraMs (of all threads together, most of it beside the rest).
 */
export type ConvertTimings = Readonly<
  Record<
    'calibrateMs' | 'convertMs' | 'recalibrateMs' | 'algebraMs' | 'refineMs' | 'refitMs' | 'solveMs',
    number
  >
>;
