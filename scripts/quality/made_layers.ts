import type { MethodChoice } from '../../src/convert/budget.ts';
import type { LayerStatistics } from '../../src/convert/statistics.ts';
import type { ModelConfig } from '../../src/core/config.ts';
import type { LayerSource } from '../../src/runtime/calibrate.ts';
import { layersAhead } from '../../src/runtime/converted_layers.ts';
import type { LayerAhead } from '../../src/runtime/converted_layers.ts';
import { layerThreads } from '../../src/cli/layer_threads.ts';

/** Conversions that are made on other threads while the GPU is busy with the row before; the last two stay. */
export class MadeLayers {
  readonly #config: ModelConfig;
  readonly #source: LayerSource;
  readonly #made = new Map<string, Promise<LayerAhead[]>>();

  constructor(config: ModelConfig, source: LayerSource) {
    this.#config = config;
    this.#source = source;
  }

  /** Begins, or gives what has begun. @param label of the statistics */
  async of(
    choice: MethodChoice,
    label: string,
    statistics: readonly LayerStatistics[],
  ): Promise<LayerAhead[]> {
    const key = JSON.stringify([label, choice]);
    const known = this.#made.get(key);
    if (known) return known;
    for (const old of [...this.#made.keys()].slice(0, -1)) this.#made.delete(old);
    const made = this.#make(choice, statistics);
    // It may fail before anybody waits for it.
    made.catch(() => undefined);
    this.#made.set(key, made);
    return made;
  }

  async #make(choice: MethodChoice, statistics: readonly LayerStatistics[]): Promise<LayerAhead[]> {
    const layers: LayerAhead[] = [];
    const threads = layerThreads();
    for await (const layer of layersAhead(this.#config, this.#source, statistics, choice, { threads })) {
      layers.push(layer);
    }
    return layers;
  }
}
