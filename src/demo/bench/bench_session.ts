import { batch, signal } from '@preact/signals';
import type { BenchProgress } from '../../measure.ts';
import type { Failure } from '../failure.ts';
import { runJob } from '../job.ts';
import { kept } from '../kept.ts';
import { publish, publishFailure } from '../publish.ts';
import { device, lookForDevice } from '../device.ts';
import { BenchAddress } from './bench_address.ts';
import { parseSettings, requestOf, usualSettings } from './bench_settings.ts';
import type { BenchJob } from './bench_worker.ts';
import type { BenchSettings } from './bench_settings.ts';
import type { Measurement } from './measurement.ts';

export type BenchState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly progress: BenchProgress; readonly cancelling: boolean }
  | { readonly kind: 'failed'; readonly failure: Failure };

const START: BenchProgress = { what: 'starting', share: 0, result: null };
const NOT_FILLED_IN: Failure = {
  code: 'bad_request',
  message: 'form: expected a model and at least one length, got something else',
  hint: 'Look at the marked fields.',
};

/** The state of the page: what is to be measured, what is being measured, and what was. */
export class BenchSession {
  /** null until the device is known, which says what is sensible. */
  readonly settings = signal<BenchSettings | null>(null);
  readonly state = signal<BenchState>({ kind: 'idle' });
  /** Oldest first. */
  readonly measurements = signal<readonly Measurement[]>([]);
  /** Id of the one that is shown in detail. */
  readonly chosen = signal(0);
  readonly spoken = signal('');
  readonly #stored = kept<unknown>('bench', (stored) => stored);
  #cancel: AbortController | null = null;
  #lastId = 0;

  async begin(): Promise<void> {
    const address = new BenchAddress();
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

  #prepare(address: BenchAddress, software: boolean): void {
    const usual = usualSettings(software);
    // What is measured without a click does not depend on earlier visits.
    const before = address.auto ? usual : parseSettings(this.#stored.peek(), usual);
    this.settings.value = address.settings(before);
  }

  async #auto(address: BenchAddress): Promise<void> {
    const failure = address.failure();
    if (failure) {
      this.state.value = { kind: 'failed', failure };
      publishFailure(failure);
      return;
    }
    await this.run();
    const state = this.state.peek();
    const result = this.measurements.peek().at(-1)?.result;
    if (state.kind === 'failed') publishFailure(state.failure);
    else if (result) publish(result);
  }

  change(part: Partial<BenchSettings>): void {
    const settings = this.settings.peek();
    if (settings === null) return;
    this.settings.value = { ...settings, ...part };
    this.#stored.value = this.settings.value;
  }

  async run(): Promise<void> {
    const settings = this.settings.peek();
    if (settings === null || this.#cancel) return;
    const request = requestOf(settings);
    if (request === null) {
      this.state.value = { kind: 'failed', failure: NOT_FILLED_IN };
      return;
    }
    const cancel = new AbortController();
    this.#cancel = cancel;
    const id = ++this.#lastId;
    this.state.value = { kind: 'running', progress: START, cancelling: false };
    this.spoken.value = 'Measuring.';
    const onProgress = (progress: BenchProgress): void => {
      batch(() => {
        this.state.value = { kind: 'running', progress, cancelling: cancel.signal.aborted };
        if (progress.result) this.#show({ id, settings, result: progress.result, complete: false });
      });
    };
    const worker = new Worker(new URL('./bench_worker.ts', import.meta.url), { type: 'module' });
    const outcome = await runJob<BenchJob>(worker, request, onProgress, cancel.signal);
    this.#cancel = null;
    batch(() => {
      if (outcome.kind === 'done') {
        this.state.value = { kind: 'idle' };
        this.#show({ id, settings, result: outcome.result, complete: true });
        this.spoken.value = 'Measured.';
      } else {
        this.state.value = outcome;
      }
    });
  }

  cancel(): void {
    this.#cancel?.abort();
    const state = this.state.peek();
    if (state.kind === 'running') this.state.value = { ...state, cancelling: true };
  }

  forget(id: number): void {
    batch(() => {
      this.measurements.value = this.measurements.peek().filter((one) => one.id !== id);
      if (this.chosen.peek() === id) this.chosen.value = this.measurements.peek().at(-1)?.id ?? 0;
    });
  }

  #show(measurement: Measurement): void {
    const { rows, prefill } = measurement.result;
    if (rows.length + prefill.length === 0) return;
    const before = this.measurements.peek();
    const others = before.filter(({ id }) => id !== measurement.id);
    this.measurements.value = [...others, measurement];
    // Once only: who looks at an earlier one meanwhile goes on doing so.
    if (others.length === before.length) this.chosen.value = measurement.id;
  }
}
