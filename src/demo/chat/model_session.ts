import { signal } from '@preact/signals';
import { createEngine, WebMlaError } from '../../index.ts';
import type { Engine, EngineInfo } from '../../index.ts';
import { LoadTracker } from './load_tracker.ts';
import type { LoadOptions } from './load_options.ts';
import { sourceOf } from '../model_choice.ts';
import type { ModelChoice } from '../model_choice.ts';

export interface LoadRequest {
  readonly choice: ModelChoice;
  readonly options: LoadOptions;
  /** For repositories of the Hub that ask for one; kept nowhere. */
  readonly accessToken?: string;
}

export type ModelState =
  | { readonly kind: 'none' }
  | { readonly kind: 'loading'; readonly request: LoadRequest; readonly tracker: LoadTracker }
  | { readonly kind: 'ready'; readonly request: LoadRequest; readonly info: EngineInfo }
  /** Cancelled too: the error's code is then `aborted`. */
  | { readonly kind: 'failed'; readonly request: LoadRequest; readonly error: WebMlaError }
  | {
      readonly kind: 'lost';
      readonly request: LoadRequest;
      readonly info: EngineInfo;
      readonly error: WebMlaError;
    };

/** The one model that the page holds, from the choice to the loss of its device. */
export class ModelSession {
  readonly state = signal<ModelState>({ kind: 'none' });
  #controller = new AbortController();
  #engine: Promise<Engine> | null = null;

  /** Replaces the model that is there, or on its way: a GPU rarely has room for two. Errors end up in `state`. */
  async load(request: LoadRequest): Promise<void> {
    this.#drop();
    const controller = new AbortController();
    const { attention, kvBudget } = request.options;
    const tracker = new LoadTracker(attention, kvBudget !== null);
    this.#controller = controller;
    this.state.value = { kind: 'loading', request, tracker };
    const loading = open(request, tracker, controller.signal);
    this.#engine = loading;
    try {
      const engine = await loading;
      if (this.#engine !== loading) return;
      this.state.value = { kind: 'ready', request, info: engine.info };
      void this.#watch(loading, engine, request);
    } catch (error) {
      if (this.#engine === loading) this.state.value = { kind: 'failed', request, error: asError(error) };
    }
  }

  async #watch(loading: Promise<Engine>, { info, lost }: Engine, request: LoadRequest): Promise<void> {
    const error = await lost;
    if (this.#engine === loading) this.state.value = { kind: 'lost', request, info, error };
  }

  /** Names a model without loading it: the person decides. */
  hold(request: LoadRequest): void {
    const error = new WebMlaError(
      'aborted',
      'Loading this model was not finished the last time.',
      'If it took the tab with it, a smaller model or a shorter context may fit.',
    );
    this.state.value = { kind: 'failed', request, error };
  }

  /** At once: what the worker still does is of no interest. */
  cancel(): void {
    const state = this.state.peek();
    if (state.kind !== 'loading') return;
    this.#drop();
    const error = new WebMlaError('aborted', 'Loading was cancelled.');
    this.state.value = { kind: 'failed', request: state.request, error };
  }

  /**
   * The engine, once it is loaded.
   * @throws WebMlaError the load's own error; `aborted` when the signal fires first
   */
  async engine(abort: AbortSignal): Promise<Engine> {
    if (!this.#engine) throw new WebMlaError('engine_state', 'No model is loaded.', 'Choose one first.');
    const aborted = new Promise<never>((_, reject) => {
      const refuse = (): void => reject(new WebMlaError('aborted', 'The answer was cancelled.'));
      if (abort.aborted) refuse();
      else abort.addEventListener('abort', refuse, { once: true });
    });
    return Promise.race([this.#engine, aborted]);
  }

  #drop(): void {
    this.#controller.abort();
    // One that is still loading ends by itself when its signal fires; one that was about to be ready is let go too.
    void this.#engine?.then((engine) => engine.dispose()).catch(() => undefined);
    this.#engine = null;
  }
}

async function open(
  { choice, options, accessToken = '' }: LoadRequest,
  tracker: LoadTracker,
  abort: AbortSignal,
): Promise<Engine> {
  // The rest of the page may be drawn first.
  await Promise.resolve();
  return createEngine({
    model: await sourceOf(choice),
    attention: options.kvBudget === null ? options.attention : { form: 'mla', kvBudget: options.kvBudget },
    weights: options.weights,
    cacheDtype: options.cacheDtype,
    ...(options.contextLength !== null && { contextLength: options.contextLength }),
    ...(accessToken !== '' && { hub: { accessToken } }),
    signal: abort,
    onProgress: (progress) => tracker.take(progress),
  });
}

export function asError(error: unknown): WebMlaError {
  if (error instanceof WebMlaError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new WebMlaError('internal', message, 'This is a bug in the page: please report it.');
}
