/** What a sweep spends its time on, in the order of a sweep. */
export const SWEEP_STAGES = [
  'opening',
  'converting',
  'loading',
  'compiling',
  'prefill',
  'filling',
  'decoding',
  'quality',
  'other',
] as const;

export type SweepStage = (typeof SWEEP_STAGES)[number];

/** Seconds of each stage. Shaders compile while weights are loaded: 'compiling' is what is waited for afterwards. */
export type SweepSeconds = Readonly<Record<SweepStage, number>>;

/** Adds up the time of stages that come again and again. Runs from the beginning, in one stage at a time. */
export class SweepClock {
  readonly #ms = new Map<SweepStage, number>();
  #stage: SweepStage = 'opening';
  #since = performance.now();

  enter(stage: SweepStage): void {
    const now = performance.now();
    this.#ms.set(this.#stage, (this.#ms.get(this.#stage) ?? 0) + now - this.#since);
    [this.#stage, this.#since] = [stage, now];
  }

  seconds(): SweepSeconds {
    this.enter(this.#stage);
    const of = (stage: SweepStage): number => Math.round(this.#ms.get(stage) ?? 0) / 1000;
    return {
      opening: of('opening'),
      converting: of('converting'),
      loading: of('loading'),
      compiling: of('compiling'),
      prefill: of('prefill'),
      filling: of('filling'),
      decoding: of('decoding'),
      quality: of('quality'),
      other: of('other'),
    };
  }
}
