import type { Stage, WorkbenchProgress } from '../../conversion.ts';
import { bytes, count, duration } from '../quantities.ts';

export interface StageView {
  readonly stage: Stage;
  readonly name: string;
  /** Of the whole bar. */
  readonly width: number;
  /** 0 to 1 */
  readonly done: number;
}

/** A piece of work as its bar shows it. */
export interface WorkView {
  readonly stages: readonly StageView[];
  readonly now: Stage | null;
  /** 0 to 1 */
  readonly overall: number;
  /** What is being done, and for how long still, in words. */
  readonly detail: string;
}

/** About how the time goes. */
const WIDTHS: Readonly<Record<Stage, number>> = {
  read: 0.1,
  calibrate: 0.35,
  predict: 0.1,
  convert: 0.3,
  evaluate: 0.15,
};
export const STAGE_NAMES: Readonly<Record<Stage, string>> = {
  read: 'Read',
  calibrate: 'Calibrate',
  predict: 'Predict',
  convert: 'Convert',
  evaluate: 'Measure',
};
const VERBS: Readonly<Record<Stage, string>> = {
  read: 'Reading',
  calibrate: 'Calibrating',
  predict: 'Predicting',
  convert: 'Converting',
  evaluate: 'Measuring',
};
const ORDER: readonly Stage[] = ['read', 'calibrate', 'predict', 'convert', 'evaluate'];
/** Before this, in ms and as a share, what is left is a guess. */
const KNOWN_AFTER = { ms: 1500, share: 0.04 };

/** Turns what a workbench tells of its stages into one bar that never goes back. */
export class StageTracker {
  readonly #stages: readonly Stage[];
  readonly #done = new Map<Stage, number>();
  readonly #clock: () => number;
  #now: { readonly stage: Stage; readonly since: number; readonly from: number } | null = null;
  #detail = 'Starting';

  constructor(stages: readonly Stage[], clock: () => number = () => performance.now()) {
    this.#stages = ORDER.filter((stage) => stages.includes(stage));
    this.#clock = clock;
  }

  take(progress: Extract<WorkbenchProgress, { type: 'stage' }>): WorkView {
    const { stage, loaded, total } = progress;
    for (const before of ORDER.slice(0, ORDER.indexOf(stage))) this.#done.set(before, 1);
    const share = total === 0 ? 0 : Math.min(1, loaded / total);
    // What it took to begin (compiling, above all) says nothing of the rest.
    if (this.#now?.stage !== stage || this.#now.from === 0)
      this.#now = { stage, since: this.#clock(), from: share };
    this.#done.set(stage, Math.max(this.#done.get(stage) ?? 0, share));
    this.#detail = this.#words(progress, share);
    return this.view();
  }

  view(): WorkView {
    const all = this.#stages.reduce((sum, stage) => sum + WIDTHS[stage], 0);
    const stages = this.#stages.map((stage) => ({
      stage,
      name: STAGE_NAMES[stage],
      width: WIDTHS[stage] / all,
      done: this.#done.get(stage) ?? 0,
    }));
    return {
      stages,
      now: this.#now?.stage ?? null,
      overall: stages.reduce((sum, { width, done }) => sum + width * done, 0),
      detail: this.#detail,
    };
  }

  #words(progress: Extract<WorkbenchProgress, { type: 'stage' }>, share: number): string {
    const { stage, loaded, total, unit, item } = progress;
    const parts = [VERBS[stage]];
    if (unit === 'bytes') parts.push(item);
    else if (item !== '') parts.push(`: ${item}`);
    else if (total > 0) {
      const at = Math.min(total, Math.floor(loaded) + (unit === 'layers' ? 1 : 0));
      parts.push(`${unit === 'layers' ? 'layer' : 'row'} ${count(at)} of ${count(total)}`);
    }
    const words = parts.join(' ').replace(' :', ':');
    const of = unit === 'bytes' && total > 0 ? `, ${bytes(loaded)} of ${bytes(total)}` : '';
    return words + of + this.#left(share);
  }

  #left(share: number): string {
    const { since = 0, from = 0 } = this.#now ?? {};
    const elapsed = this.#clock() - since;
    if (elapsed < KNOWN_AFTER.ms || share - from < KNOWN_AFTER.share || share >= 1) return '';
    return `, about ${duration((elapsed / (share - from)) * (1 - share))} left`;
  }
}
