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
  convert: 0.13,
  upload: 0.16,
  'warm up': 0.16,
};
const NAMES: Readonly<Record<LoadStage, string>> = {
  read: 'Read',
  convert: 'Convert',
  upload: 'Upload',
  'warm up': 'Warm up',
};
const ORDER: readonly LoadStage[] = ['read', 'convert', 'upload', 'warm up'];

/** Files below this are read in passing: showing each would only flicker. */
const LARGE_FILE = 1_000_000;
/** Before this, in ms, a speed is mostly noise. */
const SPEED_AFTER = 1500;

/** Turns the engine's progress events, which tell of one file or layer each, into one bar that never goes back. */
export class LoadTracker {
  readonly view = signal<LoadView>({ stages: [], now: null, overall: 0, detail: 'Starting' });
  readonly #stages: readonly LoadStage[];
  readonly #done = new Map<LoadStage, number>();
  #file = { item: '', since: 0, from: 0 };

  constructor(attention: AttentionForm) {
    this.#stages = ORDER.filter((stage) => stage !== 'convert' || attention === 'mla');
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
    const of = `${count(progress.loaded)} of ${count(progress.total)}`;
    if (progress.unit === 'layers') {
      // Layers are converted and uploaded in turn: one line for both, or it would flicker.
      const what = this.#stages.includes('convert') ? 'Converting and uploading' : 'Uploading';
      this.#show(stage, `${what} layer ${of}`);
    } else {
      this.#show(stage, `Compiling kernels, ${of}`);
    }
  }

  /** Stages that are over when this one has begun. Upload does not wait until all is converted. */
  #before(stage: LoadStage): readonly LoadStage[] {
    return stage === 'upload' ? ['read'] : ORDER.slice(0, ORDER.indexOf(stage));
  }

  #raise(stage: LoadStage, share: number): void {
    this.#done.set(stage, Math.max(this.#done.get(stage) ?? 0, Math.min(1, share)));
  }

  #readDetail({ item = 'the model', loaded, total, cached }: LoadProgress): string {
    if (cached === true) return `Reading ${item}, ${bytes(total)}, from this device`;
    const now = performance.now();
    if (this.#file.item !== item) this.#file = { item, since: now, from: loaded };
    const elapsed = now - this.#file.since;
    const perMs = (loaded - this.#file.from) / elapsed;
    const left = (total - loaded) / perMs;
    const speed =
      elapsed > SPEED_AFTER && perMs > 0 ? `, ${bytes(perMs * 1000)}/s, ${duration(left)} left` : '';
    return `Downloading ${item}, ${bytes(loaded)} of ${bytes(total)}${speed}`;
  }

  #show(now: LoadStage | null, detail: string): void {
    const all = this.#stages.reduce((sum, stage) => sum + WIDTHS[stage], 0);
    const stages = this.#stages.map((stage) => ({
      stage,
      name: NAMES[stage],
      width: WIDTHS[stage] / all,
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
