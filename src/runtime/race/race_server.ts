import { openGpu } from '../../gpu/device.ts';
import { raceLanes } from './lanes.ts';
import type { LanesOptions, LanesState } from './lanes.ts';
import { RaceModels } from './race_models.ts';
import type { Calibration, RaceHost, RaceSubject } from './race_models.ts';
import { sweep } from './sweep.ts';
import type { SweepOptions } from './sweep.ts';
import { SweepClock } from './sweep_clock.ts';
import type { SweepResult } from './sweep_record.ts';

/** What is asked of the race, in a form that can be sent to a worker. */
export type RaceRequest = { readonly subject: RaceSubject; readonly calibration: Calibration } & (
  | ({ readonly kind: 'lanes' } & LanesOptions)
  | ({ readonly kind: 'sweep' } & SweepOptions)
);

export interface RaceReport {
  /** In words. */
  readonly what: string;
  /** Of the work, 0 to 1: a guess. */
  readonly share: number;
  readonly lanes: LanesState | null;
  /** null: no new figures since the last report. */
  readonly sweep: SweepResult | null;
}

/** Serves one request after another, and keeps the model and its conversions between them. */
export class RaceServer {
  readonly #host: RaceHost;
  #models: { readonly key: string; readonly models: RaceModels } | null = null;

  constructor(host: RaceHost) {
    this.#host = host;
  }

  /** @returns the last report. @throws WebMlaError of any kind */
  async run(
    request: RaceRequest,
    onReport: (report: RaceReport) => void,
    signal: AbortSignal,
  ): Promise<RaceReport> {
    const clock = new SweepClock();
    const begun = { what: 'opening the model', share: 0, lanes: null, sweep: null };
    onReport(begun);
    const models = await this.#open(request, signal);
    const gpu = await openGpu(this.#host.webgpu);
    try {
      if (request.kind === 'lanes') {
        const lanes = await raceLanes(
          gpu,
          models,
          request,
          (what, share) => onReport({ ...begun, what, share }),
          (state) => onReport({ what: 'racing', share: 1, lanes: state, sweep: null }),
          signal,
        );
        return { what: 'done', share: 1, lanes, sweep: null };
      }
      const result = await sweep(
        gpu,
        models,
        request,
        clock,
        (what, share, soFar) => onReport({ what, share, lanes: null, sweep: soFar }),
        signal,
      );
      return { what: 'done', share: 1, lanes: null, sweep: result };
    } finally {
      gpu.device.destroy();
    }
  }

  async #open({ subject, calibration }: RaceRequest, signal: AbortSignal): Promise<RaceModels> {
    const key = JSON.stringify([subject, calibration]);
    if (this.#models?.key === key) return this.#models.models;
    this.#models = null;
    const models = await RaceModels.open(subject, this.#host, calibration, signal);
    this.#models = { key, models };
    return models;
  }
}
