import { batch, signal } from '@preact/signals';
import type { Verification } from '../../verify/verify_device.ts';
import { device, lookForDevice } from '../device.ts';
import type { Failure } from '../failure.ts';
import { runJob } from '../job.ts';
import { publish, publishFailure } from '../publish.ts';
import { resultOf } from './verify_result.ts';
import type { VerifyJob } from './verify_worker.ts';

export type VerifyState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly cancelling: boolean }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** The state of the page: what is being verified, and what came of it. */
export class VerifySession {
  readonly state = signal<VerifyState>({ kind: 'idle' });
  /** Of the last run, complete or not. */
  readonly found = signal<Verification | null>(null);
  readonly spoken = signal('');
  /** `?kernels=`: null is all. */
  readonly only: readonly string[] | null;
  readonly #auto: boolean;
  #cancel: AbortController | null = null;

  constructor() {
    const query = new URLSearchParams(location.search);
    this.#auto = query.get('auto') === '1';
    const names = (query.get('kernels') ?? '').split(',').filter((name) => name !== '');
    this.only = names.length > 0 ? names : null;
  }

  async begin(): Promise<void> {
    const found = await lookForDevice();
    if (!this.#auto) return;
    if (found.kind === 'missing') publishFailure(found.failure);
    if (found.kind !== 'found') return;
    await this.run();
    const state = this.state.peek();
    const verification = this.found.peek();
    if (state.kind === 'failed') publishFailure(state.failure);
    else if (verification) publish(resultOf(verification));
  }

  async run(): Promise<void> {
    if (this.#cancel || device.peek().kind !== 'found') return;
    const cancel = new AbortController();
    this.#cancel = cancel;
    batch(() => {
      this.found.value = null;
      this.state.value = { kind: 'running', cancelling: false };
      this.spoken.value = 'Verifying.';
    });
    const outcome = await runJob<VerifyJob>(
      new Worker(new URL('./verify_worker.ts', import.meta.url), { type: 'module' }),
      this.only,
      (soFar) => {
        this.found.value = soFar;
      },
      cancel.signal,
    );
    this.#cancel = null;
    batch(() => {
      if (outcome.kind === 'failed') {
        this.state.value = outcome;
        return;
      }
      this.state.value = { kind: 'idle' };
      this.found.value = outcome.result;
      const { passed, failed } = resultOf(outcome.result);
      this.spoken.value = `${passed} cases passed, ${failed} failed.`;
    });
  }

  cancel(): void {
    if (!this.#cancel) return;
    this.#cancel.abort();
    this.state.value = { kind: 'running', cancelling: true };
  }
}
