import { throwIfAborted, WebMlaError } from '../../core/errors.ts';
import type { ModelConfig } from '../../core/config.ts';
import { SHAPES } from '../../core/shapes.ts';
import type { ShapeName } from '../../core/shapes.ts';
import type { Checkpoint } from '../../formats/checkpoint.ts';
import { filesOf } from '../../formats/local_files.ts';
import { openCheckpoint } from '../../formats/open_checkpoint.ts';
import { openModelFiles } from '../../formats/open_model_files.ts';
import { longestContext } from '../../model/architecture.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { sourceOfCheckpoint } from '../bench.ts';
import { convertModel } from '../convert_model.ts';
import type { LayerStatistics, MethodChoice } from '../convert_model.ts';
import type { DecoderSource } from '../decoder_source.ts';
import { textWindows } from '../evaluator.ts';
import type { LayerThreads } from '../layer_pool.ts';
import { RandomDecoder } from '../random_decoder.ts';
import { openStore } from '../stored_files.ts';
import { tokenizerOf } from '../tokenizer_of.ts';
import { settingKey, settingName } from './setting.ts';
import type { RaceSetting } from './setting.ts';

/** What races: a shape with random 4-bit weights, or the address of a model. */
export type RaceSubject = { readonly shape: ShapeName } | { readonly model: string };

/** How a conversion is calibrated. */
export interface Calibration {
  /** Tokens of a row, and rows at most: from all over the text, since a part of it knows one subject. */
  readonly rowTokens: number;
  readonly rows: number;
  readonly refit: boolean;
  /** What the weights alone say counts as so many tokens: for few rows. */
  readonly priorTokens: number;
}

export interface RaceHost {
  readonly webgpu: GPU | undefined;
  readonly threads: LayerThreads | null;
  /** What conversions are calibrated on. */
  calibrationText(): Promise<string>;
}

/** Called with what is being done, in words, and its share. */
export type RaceProgress = (what: string, share: number) => void;

/** One model in all the ways that it can be run. Each conversion is made once, and kept as files. */
export class RaceModels {
  readonly name: string;
  readonly config: ModelConfig;
  /** null: a shape. */
  readonly checkpoint: Checkpoint | null;
  readonly tokenizer: Tokenizer | null;
  readonly #host: RaceHost;
  readonly #calibration: Calibration;
  readonly #converted = new Map<string, Checkpoint>();
  #statistics: readonly LayerStatistics[] | null = null;

  private constructor(
    name: string,
    config: ModelConfig,
    checkpoint: Checkpoint | null,
    host: RaceHost,
    calibration: Calibration,
  ) {
    this.name = name;
    this.config = config;
    this.checkpoint = checkpoint;
    this.tokenizer = checkpoint && tokenizerOf(checkpoint);
    this.#host = host;
    this.#calibration = calibration;
  }

  /** @throws WebMlaError as an engine does that loads this model; `unsupported` for one that is MLA already */
  static async open(
    subject: RaceSubject,
    host: RaceHost,
    calibration: Calibration,
    signal: AbortSignal,
  ): Promise<RaceModels> {
    if ('shape' in subject) {
      return new RaceModels(subject.shape, SHAPES[subject.shape], null, host, calibration);
    }
    // Where nothing may be kept, it is read from the network.
    const store = await openStore().catch(() => null);
    const files = await openModelFiles(subject.model, { store, signal });
    const checkpoint = await openCheckpoint(files, signal);
    if (checkpoint.latent) {
      throw new WebMlaError(
        'unsupported',
        `${checkpoint.name}: expected a GQA checkpoint, got one that is converted already`,
        'The race converts by itself: give it the original.',
      );
    }
    return new RaceModels(checkpoint.name, checkpoint.config, checkpoint, host, calibration);
  }

  /** Of the text that conversions were calibrated on; null: nothing was converted. */
  get calibrationTokens(): number | null {
    return this.#statistics?.[0]?.tokens ?? null;
  }

  get longestContext(): number {
    return longestContext(this.config);
  }

  /** Converts where the setting asks for it and it was not done before. */
  async source(setting: RaceSetting, onProgress: RaceProgress, signal: AbortSignal): Promise<DecoderSource> {
    const { form, kvBudget, cacheDtype } = setting;
    const latent = form !== 'gqa' && form !== 'exact' && kvBudget !== null;
    if (!this.checkpoint) {
      const random = latent ? { form, kvBudget, cacheDtype } : undefined;
      return new RandomDecoder(this.config, 'q4_0', random);
    }
    if (!latent) return sourceOfCheckpoint(this.checkpoint, signal);
    const key = settingKey(setting);
    const known = this.#converted.get(key);
    if (known) return sourceOfCheckpoint(known, signal);
    const made = await this.#convert(
      this.checkpoint,
      { method: 'webmla', form, cacheDtype, kvBudget, exportable: false, options: {} },
      (what, share) => onProgress(`${settingName(setting)}: ${what}`, share),
      signal,
    );
    this.#converted.set(key, made);
    return sourceOfCheckpoint(made, signal);
  }

  async #convert(
    checkpoint: Checkpoint,
    choice: MethodChoice,
    onProgress: RaceProgress,
    signal: AbortSignal,
  ): Promise<Checkpoint> {
    throwIfAborted(signal);
    const rows = await this.#calibrationRows(checkpoint);
    const { webgpu, threads } = this.#host;
    const model = await convertModel(checkpoint, {
      choice,
      calibration: {
        rows,
        statistics: this.#statistics ?? undefined,
        refitRows: this.#calibration.refit ? rows.length : 0,
        priorTokens: this.#calibration.priorTokens,
      },
      gpu: async () => webgpu,
      weights: 'as-is',
      threads,
      onProgress: ({ stage, loaded, total }) =>
        onProgress(
          stage === 'calibrate'
            ? `calibrating, ${loaded} of ${total}`
            : `converting layer ${loaded} of ${total}`,
          loaded / total,
        ),
      signal,
    });
    this.#statistics = model.statistics;
    // As Files, which the browser may keep outside of this program's memory.
    const files = [...model.files].map(([name, parts]) => new File([...parts], name));
    return openCheckpoint(filesOf(files), signal);
  }

  async #calibrationRows({ name }: Checkpoint): Promise<Uint32Array<ArrayBuffer>[]> {
    const { rowTokens, rows } = this.#calibration;
    if (!this.tokenizer) {
      throw new WebMlaError(
        'missing_file',
        `${name}: expected a tokenizer, got none`,
        'Conversions are calibrated on a text: only GQA and the lossless form can race without a tokenizer.',
      );
    }
    const text = await this.#host.calibrationText();
    const { windows } = textWindows(this.tokenizer, text, rowTokens, undefined);
    const count = Math.min(rows, windows.length);
    return Array.from({ length: count }, (_, i) => Math.floor((i * windows.length) / count)).flatMap(
      (at) => windows[at] ?? [],
    );
  }
}
