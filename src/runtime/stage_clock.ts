import { gpuMemory } from '../gpu/buffers.ts';
import type { Stage, StageFigures } from './workbench_types.ts';

/** Time and GPU memory of the stages of a piece of work, one after another. */
export class StageClock {
  readonly #done: StageFigures[] = [];
  #now: { readonly stage: Stage; readonly since: number } | null = null;

  enter(stage: Stage): void {
    this.#leave();
    gpuMemory.peak = gpuMemory.bytes;
    this.#now = { stage, since: performance.now() };
  }

  end(): readonly StageFigures[] {
    this.#leave();
    return this.#done;
  }

  #leave(): void {
    if (!this.#now) return;
    const { stage, since } = this.#now;
    this.#done.push({ stage, ms: performance.now() - since, gpuBytes: gpuMemory.peak });
    this.#now = null;
  }
}
