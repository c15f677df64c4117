import { batch, signal } from '@preact/signals';
import type { LanesState, RaceReport, RaceRequest, RaceSetting } from '../../measure.ts';
import { device, lookForDevice } from '../device.ts';
import type { Failure } from '../failure.ts';
import { JobWorker } from '../job.ts';
import { kept } from '../kept.ts';
import { publish, publishFailure } from '../publish.ts';
import { LatencyAddress, permalink } from './latency_address.ts';
import { reportOf } from './latency_report.ts';
import type { LatencyReport } from './latency_report.ts';
import { fieldsOfSettings, parseSettings, requestOf, usualSettings } from './latency_settings.ts';
import type { LatencySettings } from './latency_settings.ts';
import type { RaceJob } from './latency_worker.ts';

export type LatencyState =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'running';
      readonly work: RaceRequest['kind'];
      readonly what: string;
      readonly share: number;
      readonly cancelling: boolean;
    }
  | { readonly kind: 'failed'; readonly work: RaceRequest['kind']; readonly failure: Failure };

/** A race of two lanes, as far as it is. */
export interface LanesRun {
  readonly settings: readonly [RaceSetting, RaceSetting];
  readonly maxTokens: number;
  readonly state: LanesState;
}

const NOT_FILLED_IN: Failure = {
  code: 'bad_request',
  message: 'form: expected a model and a prompt, got something else',
  hint: 'Fill in what is empty.',
};
const HIDDEN = 'The tab was in the background for a part of the run: browsers slow it down then.';

/** The state of the page: what is to be raced, what is racing, and what came of it. */
export class LatencySession {
  /** null until the device is known, which says what is sensible. */
  readonly settings = signal<LatencySettings | null>(null);
  readonly state = signal<LatencyState>({ kind: 'idle' });
  readonly lanes = signal<LanesRun | null>(null);
  readonly report = signal<LatencyReport | null>(null);
  readonly spoken = signal('');
  readonly #stored = kept<unknown>('latency', (stored) => stored);
  readonly #worker = new JobWorker<RaceJob>(
    () => new Worker(new URL('./latency_worker.ts', import.meta.url), { type: 'module' }),
  );
  #cancel: AbortController | null = null;
  #software = false;

  async begin(): Promise<void> {
    const address = new LatencyAddress();
    const found = await lookForDevice();
    if (found.kind === 'missing' && address.auto) publishFailure(found.failure);
    if (found.kind !== 'found') {
      // The person may switch it on and try again.
      const stop = device.subscribe((now) => {
        if (now.kind !== 'found') return;
        this.#prepare(address, now.info.software);
        queueMicrotask(() => stop());
      });
      return;
    }
    this.#prepare(address, found.info.software);
    if (address.auto) await this.#auto(address);
  }

  #prepare(address: LatencyAddress, software: boolean): void {
    this.#software = software;
    const usual = usualSettings(software);
    // What is measured without a click does not depend on earlier visits.
    const before = address.auto ? usual : parseSettings(this.#stored.peek(), usual);
    this.settings.value = address.settings(before);
    const failure = address.failure();
    if (failure) this.state.value = { kind: 'failed', work: 'sweep', failure };
  }

  async #auto(address: LatencyAddress): Promise<void> {
    const wrong = address.failure();
    if (wrong) {
      publishFailure(wrong);
      return;
    }
    await this.run('sweep');
    const state = this.state.peek();
    const report = this.report.peek();
    if (state.kind === 'failed') publishFailure(state.failure);
    else if (report) publish(report);
  }

  change(part: Partial<LatencySettings>): void {
    const settings = this.settings.peek();
    if (settings === null) return;
    this.settings.value = { ...settings, ...part };
    this.#stored.value = fieldsOfSettings(this.settings.value);
  }

  /** Left becomes right, of the settings and of what was raced. */
  swap(): void {
    const lanes = this.settings.peek()?.lanes;
    if (!lanes) return;
    batch(() => {
      this.change({ lanes: [lanes[1], lanes[0]] });
      const run = this.lanes.peek();
      if (run) this.lanes.value = swapped(run);
    });
  }

  async run(work: RaceRequest['kind']): Promise<void> {
    const settings = this.settings.peek();
    if (settings === null || this.#cancel) return;
    const request = requestOf(work, settings, this.#software);
    if (request === null) {
      this.state.value = { kind: 'failed', work, failure: NOT_FILLED_IN };
      return;
    }
    const cancel = new AbortController();
    this.#cancel = cancel;
    let hidden = document.hidden;
    const onVisibility = (): void => {
      hidden ||= document.hidden;
    };
    document.addEventListener('visibilitychange', onVisibility, { signal: cancel.signal });
    const show = ({ what, share, lanes, sweep }: RaceReport, complete: boolean): void => {
      batch(() => {
        if (!complete) {
          this.state.value = { kind: 'running', work, what, share, cancelling: cancel.signal.aborted };
        }
        if (lanes)
          this.lanes.value = { settings: settings.lanes, maxTokens: settings.maxTokens, state: lanes };
        if (sweep && sweep.rows.length > 0) {
          const notes = [...sweep.notes, ...(hidden ? [HIDDEN] : [])];
          const link = permalink(settings);
          this.report.value = reportOf({ ...sweep, notes }, { complete, hidden, link });
        }
      });
    };
    batch(() => {
      if (work === 'lanes') this.lanes.value = null;
      this.state.value = { kind: 'running', work, what: 'starting', share: 0, cancelling: false };
      this.spoken.value = work === 'lanes' ? 'Racing.' : 'Measuring.';
    });
    const outcome = await this.#worker.run(request, (report) => show(report, false), cancel.signal);
    document.removeEventListener('visibilitychange', onVisibility);
    this.#cancel = null;
    batch(() => {
      if (outcome.kind === 'failed') {
        this.state.value = { kind: 'failed', work, failure: outcome.failure };
        return;
      }
      this.state.value = { kind: 'idle' };
      show(outcome.result, true);
      this.spoken.value = work === 'lanes' ? 'Both lanes are through.' : 'Measured.';
    });
  }

  cancel(): void {
    this.#cancel?.abort();
    const state = this.state.peek();
    if (state.kind === 'running') this.state.value = { ...state, cancelling: true };
  }
}

function swapped({ settings, maxTokens, state }: LanesRun): LanesRun {
  const { differsAt } = state;
  return {
    maxTokens,
    settings: [settings[1], settings[0]],
    state: {
      ...state,
      lanes: [state.lanes[1], state.lanes[0]],
      differsAt: differsAt && {
        ...differsAt,
        characters: [differsAt.characters[1], differsAt.characters[0]],
      },
    },
  };
}
