import { batch, computed, signal } from '@preact/signals';
import type {
  BudgetCurve,
  Calibration,
  Goal,
  Stage,
  Subject,
  WorkbenchProgress,
  WorkbenchRequest,
} from '../../conversion.ts';
import { device, lookForDevice } from '../device.ts';
import { failureOf } from '../failure.ts';
import type { Failure } from '../failure.ts';
import { JobWorker } from '../job.ts';
import { kept } from '../kept.ts';
import { EMBEDDED, sourceOf } from '../model_choice.ts';
import type { ModelChoice } from '../model_choice.ts';
import { publish, publishFailure } from '../publish.ts';
import { autoResult, titleOf } from './conversion_record.ts';
import type { ConversionRecord } from './conversion_record.ts';
import { ConvertAddress } from './convert_address.ts';
import { choiceOf, formFailure, parseConversion, planOf, usualConversion } from './convert_settings.ts';
import type { ConvertSettings } from './convert_settings.ts';
import type { ConvertJob } from './convert_worker.ts';
import { defaultText } from './default_text.ts';
import { StageTracker } from './stage_tracker.ts';
import type { WorkView } from './stage_tracker.ts';

export type ConvertState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly goal: Goal; readonly view: WorkView; readonly cancelling: boolean }
  | { readonly kind: 'failed'; readonly goal: Goal; readonly failure: Failure };

/** What the model is calibrated on. */
export type Material =
  | { readonly kind: 'default' }
  | { readonly kind: 'own'; readonly text: string }
  | { readonly kind: 'statistics'; readonly file: File | null };

/** What `?auto=1` calibrates on, unless the address says more. */
const AUTO_TOKENS = 512;

/** The state of the page: the model at hand, what is to be made of it, and what was. */
export class ConvertSession {
  readonly settings = signal<ConvertSettings>(usualConversion(false));
  readonly model = signal<ModelChoice>(EMBEDDED);
  readonly accessToken = signal('');
  readonly material = signal<Material>({ kind: 'default' });
  readonly state = signal<ConvertState>({ kind: 'idle' });
  /** The model, once its headers were read. */
  readonly subject = signal<Subject | null>(null);
  /** What the worker knows of it; null: it has to be calibrated (again). */
  readonly calibration = signal<(Calibration & { readonly of: string }) | null>(null);
  readonly curve = signal<BudgetCurve | null>(null);
  /** Oldest first. */
  readonly records = signal<readonly ConversionRecord[]>([]);
  /** Id of the one that is shown in detail. */
  readonly chosen = signal(0);
  /** Of the last conversion. */
  readonly files = signal<{ readonly id: number; readonly files: readonly File[] } | null>(null);
  readonly spoken = signal('');
  /** What a token will take with the settings at hand. */
  readonly plan = computed(() => this.subject.value && planOf(this.subject.value, this.settings.value));
  /** Nothing has to be calibrated for the settings at hand. */
  readonly calibrated = computed(() => this.calibration.value?.of === this.#materialKey());
  readonly #stored = kept<unknown>('convert', (stored) => stored);
  readonly #jobs = new JobWorker<ConvertJob>(
    () => new Worker(new URL('./convert_worker.ts', import.meta.url), { type: 'module' }),
  );
  #cancel: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  #modelKey = 0;
  #lastId = 0;

  async begin(): Promise<void> {
    const address = new ConvertAddress();
    const found = await lookForDevice();
    if (found.kind === 'missing' && address.auto) publishFailure(found.failure);
    const software = found.kind === 'found' && found.info.software;
    const usual = usualConversion(software);
    // What is converted without a click does not depend on earlier visits.
    const before = address.auto
      ? { ...usual, calibrationTokens: AUTO_TOKENS }
      : parseConversion(this.#stored.peek(), usual);
    batch(() => {
      this.settings.value = address.settings(before);
      this.model.value = address.model;
    });
    if (found.kind !== 'found') {
      // The person may switch it on and try again.
      const stop = device.subscribe((now) => {
        if (now.kind !== 'found') return;
        void this.run('open');
        queueMicrotask(() => stop());
      });
      return;
    }
    if (address.auto) await this.#auto(address);
    else await this.run('open');
  }

  async #auto(address: ConvertAddress): Promise<void> {
    const failure = address.failure();
    if (failure) {
      this.state.value = { kind: 'failed', goal: 'convert', failure };
      publishFailure(failure);
      return;
    }
    await this.run('convert', false);
    const state = this.state.peek();
    const record = this.records.peek().at(-1);
    if (state.kind === 'failed') publishFailure(state.failure);
    else if (record) publish(autoResult(record));
  }

  change(part: Partial<ConvertSettings>): void {
    this.settings.value = { ...this.settings.peek(), ...part };
    this.#stored.value = this.settings.value;
  }

  /** Another model: what is known of the last one goes. Not while there is work on it. */
  async choose(model: ModelChoice): Promise<void> {
    const state = this.state.peek();
    if (state.kind === 'running' && state.goal !== 'open') {
      this.spoken.value = 'Cancel first: another model is being converted.';
      return;
    }
    this.#modelKey++;
    batch(() => {
      this.model.value = model;
      this.subject.value = null;
      this.calibration.value = null;
      this.curve.value = null;
      if (this.material.value.kind === 'statistics') this.material.value = { kind: 'default' };
    });
    // One that is still being read is of no interest any more.
    this.#cancel?.abort();
    await this.#running;
    if (model === this.model.peek()) await this.run('open');
  }

  /** @param predict draws the curve of predicted errors, too */
  async run(goal: Goal, predict = true): Promise<void> {
    if (this.#cancel) return;
    this.#running = this.#run(goal, predict);
    await this.#running;
  }

  async #run(goal: Goal, predict: boolean): Promise<void> {
    if (device.peek().kind !== 'found') return;
    const wrong = goal === 'open' ? null : (formFailure(this.settings.peek()) ?? this.#materialFailure());
    if (wrong) {
      this.state.value = { kind: 'failed', goal, failure: wrong };
      return;
    }
    const cancel = new AbortController();
    this.#cancel = cancel;
    const tracker = new StageTracker(this.#stagesOf(goal, predict));
    batch(() => {
      this.state.value = { kind: 'running', goal, view: tracker.view(), cancelling: false };
      if (goal !== 'open') this.spoken.value = goal === 'convert' ? 'Converting.' : 'Calibrating.';
    });
    try {
      await this.#work(await this.#request(goal, predict), tracker, cancel.signal);
    } catch (error) {
      this.state.value = { kind: 'failed', goal, failure: failureOf(error) };
    }
    this.#cancel = null;
  }

  async #work(request: WorkbenchRequest, tracker: StageTracker, abort: AbortSignal): Promise<void> {
    const { goal } = request;
    const of = this.#materialKey();
    const onProgress = (progress: WorkbenchProgress): void => {
      switch (progress.type) {
        case 'stage':
          this.state.value = {
            kind: 'running',
            goal,
            view: tracker.take(progress),
            cancelling: abort.aborted,
          };
          break;
        case 'subject':
          this.subject.value = progress.subject;
          break;
        case 'calibration':
          // A curve of other statistics says nothing any more.
          if (this.calibration.peek()?.of !== of) this.curve.value = null;
          this.calibration.value = { ...progress.calibration, of };
          break;
        case 'curve':
          this.curve.value = progress.curve;
          break;
      }
    };
    const outcome = await this.#jobs.run(request, onProgress, abort);
    batch(() => {
      if (!this.#jobs.alive) this.calibration.value = null;
      if (outcome.kind === 'failed') {
        this.state.value = { kind: 'failed', goal, failure: outcome.failure };
        return;
      }
      this.state.value = { kind: 'idle' };
      const { conversion, stages } = outcome.result;
      const subject = this.subject.peek();
      if (!conversion || !subject) return;
      const { files, ...rest } = conversion;
      const record: ConversionRecord = { id: ++this.#lastId, subject, conversion: rest, stages };
      this.records.value = [...this.records.peek(), record];
      this.files.value = { id: record.id, files };
      this.chosen.value = record.id;
      this.spoken.value = `Converted: ${titleOf(record)}.`;
    });
  }

  cancel(): void {
    this.#cancel?.abort();
    const state = this.state.peek();
    if (state.kind === 'running') this.state.value = { ...state, cancelling: true };
  }

  forget(id: number): void {
    batch(() => {
      this.records.value = this.records.peek().filter((one) => one.id !== id);
      if (this.chosen.peek() === id) this.chosen.value = this.records.peek().at(-1)?.id ?? 0;
      if (this.files.peek()?.id === id) this.files.value = null;
    });
  }

  async #request(goal: Goal, predict: boolean): Promise<WorkbenchRequest> {
    const settings = this.settings.peek();
    const material = this.material.peek();
    const token = this.accessToken.peek();
    return {
      key: String(this.#modelKey),
      model: await sourceOf(this.model.peek()),
      goal,
      choice: choiceOf(settings),
      refit: settings.refit,
      text: goal === 'open' ? '' : material.kind === 'own' ? material.text : await defaultText(),
      calibrationTokens: settings.calibrationTokens,
      statistics: material.kind === 'statistics' ? material.file : null,
      predict,
      ...(token !== '' && { hub: { accessToken: token } }),
    };
  }

  #stagesOf(goal: Goal, predict: boolean): readonly Stage[] {
    const { method, form } = this.settings.peek();
    if (goal === 'open') return ['read'];
    const calibrate = method !== 'exact' && !this.calibrated.peek();
    const draw = predict && method === 'webmla' && (calibrate || this.curve.peek()?.form !== form);
    return [
      'read',
      ...(calibrate ? (['calibrate'] as const) : []),
      ...(draw ? (['predict'] as const) : []),
      ...(goal === 'convert' ? (['convert', 'evaluate'] as const) : []),
    ];
  }

  /** Statistics of another key are of no use. */
  #materialKey(): string {
    const material = this.material.value;
    if (material.kind === 'statistics') {
      const { name = '', size = 0, lastModified = 0 } = material.file ?? {};
      return `${name} ${size} ${lastModified}`;
    }
    const text = material.kind === 'own' ? material.text : '';
    return `${this.settings.value.calibrationTokens} ${text}`;
  }

  #materialFailure(): Failure | null {
    const material = this.material.peek();
    if (this.settings.peek().method === 'exact') return null;
    if (material.kind !== 'statistics' || material.file) return null;
    return {
      code: 'bad_request',
      message: 'statistics: expected a file, got none',
      hint: 'Choose one that webmla convert --save-statistics wrote, or calibrate on a text.',
    };
  }
}
