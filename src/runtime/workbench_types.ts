import type { LayerReport } from '../convert/report.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { LatentForm } from '../core/layers.ts';
import type { BudgetCurve } from './budget_curve.ts';
import type { ConvertOptions } from './conversion_types.ts';
import type { HubOptions, ModelSource } from './types.ts';

/** What goes to a workbench and what comes back: plain data and Blobs. */

/** `calibrate`: statistics and the curve of predicted errors, without converting. */
export type Goal = 'open' | 'calibrate' | 'convert';

export type Stage = 'read' | 'calibrate' | 'predict' | 'convert' | 'evaluate';

export interface WorkbenchRequest {
  /** Of the model: under another key, what is known of the last one is forgotten. */
  readonly key: string;
  readonly model: ModelSource;
  readonly hub?: HubOptions;
  readonly goal: Goal;
  readonly choice: ConvertOptions['choice'];
  readonly refit: boolean;
  /** To calibrate on, and, its last rows, to measure with. '' where statistics are given and nothing is to be measured. */
  readonly text: string;
  readonly calibrationTokens: number;
  /** A file that `webmla convert --save-statistics` wrote, instead of calibrating. */
  readonly statistics: File | null;
  /** Predict the error at every budget, too. */
  readonly predict: boolean;
}

export type WorkbenchProgress =
  | {
      readonly type: 'stage';
      readonly stage: Stage;
      /** Done and in all, in `unit`; total 0: not known. */
      readonly loaded: number;
      readonly total: number;
      readonly unit: 'bytes' | 'layers' | 'windows';
      readonly item: string;
    }
  | { readonly type: 'subject'; readonly subject: Subject }
  | { readonly type: 'calibration'; readonly calibration: Calibration }
  | { readonly type: 'curve'; readonly curve: BudgetCurve };

/** The model that is to be converted. */
export interface Subject {
  readonly name: string;
  readonly modelType: string;
  readonly parameters: number;
  readonly layers: number;
  readonly heads: number;
  readonly groups: number;
  readonly head_dim: number;
  readonly contextLength: number;
  /** Bytes that a token takes in GQA's own cache, all layers. */
  readonly gqaBytes: Readonly<Record<CacheFormat, number>>;
}

export interface Calibration {
  readonly tokens: number;
  /** Statistics that were there already, in a file. */
  readonly fromFile: boolean;
}

/** On text that calibration did not see. */
export interface Quality {
  readonly tokens: number;
  readonly windows: number;
  readonly perplexity: number;
  readonly originalPerplexity: number;
  /** Of ln perplexity. */
  readonly rise: number;
  /** Nats a token. */
  readonly kl: number;
  readonly top1Agreement: number;
}

export interface StageFigures {
  readonly stage: Stage;
  readonly ms: number;
  /** The most that buffers on the GPU took meanwhile. */
  readonly gpuBytes: number;
}

export interface Conversion {
  readonly method: ConvertOptions['choice']['method'];
  readonly form: LatentForm;
  readonly cacheDtype: CacheFormat;
  readonly refit: boolean;
  readonly layers: readonly { readonly kvLoraRank: number; readonly qkRopeHeadDim: number }[];
  /** Bytes a token in the cache of each layer, and of all. */
  readonly layerBytes: readonly number[];
  readonly kvBytesPerToken: number;
  readonly reports: readonly LayerReport[];
  readonly calibrationTokens: number;
  /** null: there was no text to measure with. */
  readonly quality: Quality | null;
  readonly timings: {
    readonly calibrateMs: number;
    readonly convertMs: number;
    readonly algebraMs: number;
    readonly evaluateMs: number;
  };
  /** A folder that every command and page loads. */
  readonly files: readonly File[];
}

export interface WorkbenchResult {
  /** null: the goal was another. */
  readonly conversion: Conversion | null;
  readonly stages: readonly StageFigures[];
}
