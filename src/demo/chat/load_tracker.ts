import { signal } from '@preact/signals';
import type { AttentionForm, LoadProgress, LoadStage } from '../../index.ts';
import { bytes, count, duration } from '../quantities.ts';

export interface StageView {
  readonly stage: LoadStage;
  readonly name: string;
  /** Of the whole bar. */
  readonly width: number;
  /** 0 to 1 */
  readonly done: number;
}

/** A load as the progress bar shows it. */
export interface LoadView {
  readonly stages: readonly StageView[];
  /** The stage at hand; null before the first word from the engine. */
  readonly now: LoadStage | null;
  /** 0 to 1 */
  readonly overall: number;
  /** What is being done, in words. */
  readonly detail: string;
}

/** About how the time goes; the read stage is what differs most, and it is the one that people watch. */
const WIDTHS: Readonly<Record<LoadStage, number>> = {
  read: 0.55,
  calibrate: 0.4,
  search: 0.3,
  refine: 0,
  convert: 0.13,
  measure: 0.06,
  upload: 0.16,
  'warm up': 0.16,
};
const NAMES: Readonly<Record<LoadStage, string>> = {
  read: 'Read',
  calibrate: 'Calibrate',
  search: 'Search',
  refine: 'Refine',
  convert: 'Convert',
  measure: 'Measure',
  upload: 'Upload',
  'warm up': 'Warm up',
};
/** The page asks for no refinement. */
const ORDER: readonly LoadStage[] = [
  'read',
  'calibrate',
  'search',
  'convert',
  'measure',
  'upload',
  'warm up',
];
/** Only a conversion that compresses has these. */
const COMPRESSES: readonly LoadStage[] = ['calibrate', 'search', 'measure'];
/** Converting then takes about as long as calibrating. */
const COMPRESSING = 0.4;

/** Files below this are read in passing: showing each would only flicker. */
const LARGE_FILE = 1_000_000;
/** Before this, in ms, a speed is mostly noise. */
const SPEED_AFTER = 1500;

/** Turns the engine's progress events, which tell of one file or layer each, into one bar that never goes back. */
export class LoadTracker {
  readonly view = signal<LoadView>({ stages: [], now: null, overall: 0, detail: 'Starting' });
  readonly #stages: readonly LoadStage[];
  readonly #done = new Map<LoadStage, number>();
  readonly #compressed: boolean;
  /** What the speed is taken of: a file, or a stage. */
  #timed = { item: '', since: 0, from: 0 };

  /** @param compressed MLA that is calibrated and converted before it is loaded */
  constructor(attention: AttentionForm, compressed = false) {
    this.#compressed = compressed;
    this.#stages = ORDER.filter(
      (stage) => (stage !== 'convert' || attention === 'mla') && (!COMPRESSES.includes(stage) || compressed),
    );
    this.#show(null, 'Starting');
  }

  take(progress: LoadProgress): void {
    const { stage } = progress;
    for (const before of this.#before(stage)) this.#raise(before, 1);
    if (stage === 'read') {
      if (progress.total < LARGE_FILE) return;
      this.#raise('read', shardShare(progress));
      this.#show('read', this.#readDetail(progress));
      return;
    }
    this.#raise(stage, progress.total === 0 ? 0 : progress.loaded / progress.total);
    const of = `${count(Math.floor(progress.loaded))} of ${count(progress.total)}`;
    if (this.#compressed && (stage === 'calibrate' || stage === 'convert')) {
      const { left } = this.#speed(stage, progress);
      const what = stage === 'calibrate' ? 'Calibrating' : 'Converting';
      this.#show(stage, `${what}, layer ${of}${left === null ? '' : `, ${duration(left)} left`}`);
    } else if (stage === 'search') {
      this.#show(stage, `Trying ${progress.item ?? 'caches'}, ${of} at most`);
    } else if (stage === 'measure') {
      this.#show(stage, 'Measuring on text that was held back');
    } else if (progress.unit === 'layers') {
      // Layers are converted and uploaded in turn: one line for both, or it would flicker.
      const inTurn = this.#stages.includes('convert') && !this.#compressed;
      this.#show(stage, `${inTurn ? 'Converting and uploading' : 'Uploading'} layer ${of}`);
    } else {
      this.#show(stage, `Compiling kernels, ${of}`);
    }
  }

  /** Stages that are over when this one has begun. Upload does not wait until all is converted without loss. */
  #before(stage: LoadStage): readonly LoadStage[] {
    return stage === 'upload' && !this.#compressed ? ['read'] : ORDER.slice(0, ORDER.indexOf(stage));
  }

  #raise(stage: LoadStage, share: number): void {
    this.#done.set(stage, Math.max(this.#done.get(stage) ?? 0, Math.min(1, share)));
  }

  #readDetail(progress: LoadProgress): string {
    const { item = 'the model', loaded, total, cached } = progress;
    if (cached === true) return `Reading ${item}, ${bytes(total)}, from this device`;
    const { perMs, left } = this.#speed(item, progress);
    const speed = left === null ? '' : `, ${bytes(perMs * 1000)}/s, ${duration(left)} left`;
    return `Downloading ${item}, ${bytes(loaded)} of ${bytes(total)}${speed}`;
  }

  /** @returns what is done in a millisecond, and how many are left: null while nobody can say */
  #speed(item: string, { loaded, total }: LoadProgress): { perMs: number; left: number | null } {
    const now = performance.now();
    if (this.#timed.item !== item) this.#timed = { item, since: now, from: loaded };
    const elapsed = now - this.#timed.since;
    const perMs = (loaded - this.#timed.from) / elapsed;
    return { perMs, left: elapsed > SPEED_AFTER && perMs > 0 ? (total - loaded) / perMs : null };
  }

  #show(now: LoadStage | null, detail: string): void {
    const widthOf = (stage: LoadStage): number =>
      stage === 'convert' && this.#compressed ? COMPRESSING : WIDTHS[stage];
    const all = this.#stages.reduce((sum, stage) => sum + widthOf(stage), 0);
    const stages = this.#stages.map((stage) => ({
      stage,
      name: NAMES[stage],
      width: widthOf(stage) / all,
      done: this.#done.get(stage) ?? 0,
    }));
    const overall = stages.reduce((sum, { width, done }) => sum + width * done, 0);
    this.view.value = { stages, now, overall, detail };
  }
}

/** Share of a model in several files, each of which is reported by itself: model-00002-of-00003.safetensors. */
function shardShare({ item = '', loaded, total }: LoadProgress): number {
  const share = loaded / total;
  const [, part, parts] = /-(\d{5})-of-(\d{5})\./.exec(item) ?? [];
  return parts === undefined ? share : (Number(part) - 1 + share) / Number(parts);
}
