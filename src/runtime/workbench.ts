import type { LayerStatistics } from '../convert/statistics.ts';
import { asWebMlaError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { filesOf } from '../formats/local_files.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import { openModelFiles } from '../formats/open_model_files.ts';
import { openGpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import { architectureOf } from '../model/architecture.ts';
import { budgetCurve } from './budget_curve.ts';
import type { BudgetCurve } from './budget_curve.ts';
import { calibrate } from './calibrate.ts';
import { convertModel } from './convert_model.ts';
import { cachedBytes } from './converted_weights.ts';
import { Evaluator } from './evaluator.ts';
import type { LayerThreads } from './layer_pool.ts';
import { StageClock } from './stage_clock.ts';
import { openStore } from './stored_files.ts';
import type { TextSplit } from './text_split.ts';
import { WeightReader } from './weight_reader.ts';
import { checkConvertible, splitOf, statisticsIn, subjectOf } from './workbench_inputs.ts';
import type {
  Conversion,
  Quality,
  Stage,
  WorkbenchProgress,
  WorkbenchRequest,
  WorkbenchResult,
} from './workbench_types.ts';

export interface WorkbenchHost {
  readonly gpu: GPU | undefined;
  readonly threads: LayerThreads | null;
}

type Report = (progress: WorkbenchProgress) => void;

/** Rows that o_proj is refitted on: more change little (research/lab). */
const REFIT_ROWS = 64;
/** What software adapters calibrate on: their statistics are drawn towards the weights (convert/shrunk_statistics.ts). */
const FEW_TOKENS = 1024;
const PRIOR_TOKENS = 128;

interface Opened {
  readonly key: string;
  readonly files: ModelFiles;
  readonly checkpoint: Checkpoint;
}

/** Conversions of one model after another: what was read, calibrated and predicted is there for the next budget. */
export class Workbench {
  readonly #host: WorkbenchHost;
  #opened: Opened | null = null;
  #statistics: { readonly of: string; readonly layers: readonly LayerStatistics[] } | null = null;
  #curve: { readonly of: string; readonly curve: BudgetCurve } | null = null;

  constructor(host: WorkbenchHost) {
    this.#host = host;
  }

  /** One at a time. @throws WebMlaError */
  async run(request: WorkbenchRequest, report: Report, signal: AbortSignal): Promise<WorkbenchResult> {
    const clock = new StageClock();
    const enter = (stage: Stage): void => {
      clock.enter(stage);
      report({ type: 'stage', stage, loaded: 0, total: 0, unit: 'layers', item: '' });
    };
    try {
      enter('read');
      const { checkpoint, files } = await this.#open(request, report, signal);
      if (request.goal === 'open') return { conversion: null, stages: clock.end() };
      const split = splitOf(checkpoint, request);
      let layers: readonly LayerStatistics[] | null = null;
      if (request.choice.method !== 'exact') {
        layers = await this.#calibrate(request, checkpoint, split, enter, report, signal);
        if (request.predict && request.choice.method === 'webmla') {
          await this.#predict(request, checkpoint, layers, enter, report, signal);
        }
      }
      if (request.goal === 'calibrate') return { conversion: null, stages: clock.end() };
      enter('convert');
      const made = await this.#convert(request, checkpoint, layers, split, report, signal);
      const heldOut = split?.heldOut ?? [];
      if (heldOut.length > 0) enter('evaluate');
      const quality =
        heldOut.length === 0 ? null : await this.#evaluate(made.files, files, split, report, signal);
      const stages = clock.end();
      const msOf = (stage: Stage): number => stages.find((one) => one.stage === stage)?.ms ?? 0;
      const timings = { ...made.timings, calibrateMs: msOf('calibrate'), evaluateMs: msOf('evaluate') };
      return { conversion: { ...made, quality, timings }, stages };
    } catch (error) {
      throw asWebMlaError(error);
    }
  }

  async #open(request: WorkbenchRequest, report: Report, signal: AbortSignal): Promise<Opened> {
    if (this.#opened?.key !== request.key) {
      [this.#opened, this.#statistics, this.#curve] = [null, null, null];
      // Later stages read again, and have progress of their own to tell of.
      let opening = true;
      // Where nothing may be kept, it is read from the network.
      const store = await openStore().catch(() => null);
      const files = await openModelFiles(request.model, {
        store,
        signal,
        onProgress: ({ item, loaded, total }) => {
          if (opening) report({ type: 'stage', stage: 'read', loaded, total, unit: 'bytes', item });
        },
        ...(request.hub && { hub: request.hub }),
      });
      const checkpoint = await openCheckpoint(files, signal);
      opening = false;
      checkConvertible(checkpoint);
      this.#opened = { key: request.key, files, checkpoint };
    }
    report({ type: 'subject', subject: subjectOf(this.#opened.checkpoint) });
    return this.#opened;
  }

  async #calibrate(
    request: WorkbenchRequest,
    checkpoint: Checkpoint,
    split: TextSplit | null,
    enter: (stage: Stage) => void,
    report: Report,
    signal: AbortSignal,
  ): Promise<readonly LayerStatistics[]> {
    const { statistics: file, text, calibrationTokens } = request;
    const of = file
      ? `file ${file.name} ${file.size} ${file.lastModified}`
      : `text ${calibrationTokens} ${text}`;
    if (this.#statistics?.of !== of) {
      enter('calibrate');
      const layers = file
        ? await statisticsIn(file, checkpoint, signal)
        : await this.#gather(checkpoint, split, report, signal);
      this.#statistics = { of, layers };
      this.#curve = null;
    }
    const { layers } = this.#statistics;
    const tokens = layers[0]?.tokens ?? 0;
    report({ type: 'calibration', calibration: { tokens, fromFile: file !== null } });
    return layers;
  }

  async #gather(
    checkpoint: Checkpoint,
    split: TextSplit | null,
    report: Report,
    signal: AbortSignal,
  ): Promise<readonly LayerStatistics[]> {
    const { config } = checkpoint;
    const gpu = await openGpu(this.#host.gpu);
    try {
      const reader = new WeightReader(checkpoint, architectureOf(config), 'as-is', signal);
      const rows = split?.rows ?? [];
      return await calibrate(gpu, config, reader, rows, {
        pipelines: new Pipelines(gpu.device),
        signal,
        onProgress: ({ loaded, total }) => {
          const done = total === 0 ? 0 : (loaded / total) * config.num_hidden_layers;
          const layers = config.num_hidden_layers;
          report({
            type: 'stage',
            stage: 'calibrate',
            loaded: done,
            total: layers,
            unit: 'layers',
            item: '',
          });
        },
      });
    } finally {
      gpu.device.destroy();
    }
  }

  async #predict(
    { choice }: WorkbenchRequest,
    checkpoint: Checkpoint,
    layers: readonly LayerStatistics[],
    enter: (stage: Stage) => void,
    report: Report,
    signal: AbortSignal,
  ): Promise<void> {
    if (choice.method === 'exact') return;
    const { form } = choice;
    if (this.#curve?.of !== form) {
      enter('predict');
      const { config } = checkpoint;
      const reader = new WeightReader(checkpoint, architectureOf(config), 'as-is', signal);
      const curve = await budgetCurve(config, reader, layers, form, {
        threads: this.#host.threads,
        signal,
        onProgress: (loaded, total) =>
          report({ type: 'stage', stage: 'predict', loaded, total, unit: 'layers', item: '' }),
      });
      this.#curve = { of: form, curve };
    }
    report({ type: 'curve', curve: this.#curve.curve });
  }

  async #convert(
    request: WorkbenchRequest,
    checkpoint: Checkpoint,
    statistics: readonly LayerStatistics[] | null,
    split: TextSplit | null,
    report: Report,
    signal: AbortSignal,
  ): Promise<Omit<Conversion, 'quality'>> {
    const { choice } = request;
    const rows = split?.rows ?? [];
    const refitRows = request.refit ? Math.min(REFIT_ROWS, rows.length) : 0;
    const tokens = rows.reduce((sum, row) => sum + row.length, 0);
    const priorTokens = tokens <= FEW_TOKENS ? PRIOR_TOKENS : 0;
    const model = await convertModel(checkpoint, {
      choice,
      ...(statistics && { calibration: { rows, statistics, refitRows, priorTokens } }),
      gpu: async () => this.#host.gpu,
      weights: 'as-is',
      threads: this.#host.threads,
      signal,
      onProgress: ({ loaded, total }) =>
        report({ type: 'stage', stage: 'convert', loaded, total, unit: 'layers', item: '' }),
    });
    const { latent, reports, timings } = model;
    return {
      method: choice.method,
      form: latent.layers[0]?.latent ?? 'strict',
      cacheDtype: latent.cacheDtype,
      refit: refitRows > 0 && choice.method !== 'exact',
      layers: latent.layers.map(({ kv_lora_rank, qk_rope_head_dim }) => ({
        kvLoraRank: kv_lora_rank,
        qkRopeHeadDim: qk_rope_head_dim,
      })),
      layerBytes: latent.layers.map((layer) => cachedBytes({ ...latent, layers: [layer] })),
      kvBytesPerToken: cachedBytes(latent),
      reports,
      calibrationTokens: model.calibrationTokens,
      timings: { ...timings, evaluateMs: 0 },
      files: [...model.files].map(([name, parts]) => new File([...parts], name)),
    };
  }

  async #evaluate(
    files: readonly File[],
    original: ModelFiles,
    split: TextSplit | null,
    report: Report,
    signal: AbortSignal,
  ): Promise<Quality> {
    const windows = split?.heldOut ?? [];
    const total = windows.length;
    const progress = (loaded: number, item: string): void =>
      report({ type: 'stage', stage: 'evaluate', loaded, total, unit: 'windows', item });
    progress(0, 'loading both models');
    const evaluator = await Evaluator.create({
      files: filesOf(files),
      against: original,
      gpu: this.#host.gpu,
      windowTokens: split?.rowTokens,
      signal,
    });
    try {
      const found = await evaluator.run(windows, {
        signal,
        onProgress: ({ loaded }) => progress(loaded, ''),
      });
      const { perplexity, nllPerToken, tokens, kl = 0, top1Agreement = 0, againstNllPerToken = 0 } = found;
      return {
        tokens,
        windows: total,
        perplexity,
        originalPerplexity: Math.exp(againstNllPerToken),
        rise: nllPerToken - againstNllPerToken,
        kl,
        top1Agreement,
      };
    } finally {
      evaluator.dispose();
    }
  }
}
