import { throwIfAborted, WebMlaError } from '../../core/errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { createChatTemplate } from '../../text/chat_template.ts';
import { TextStream } from '../../text/text_stream.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { Conversation } from '../conversation.ts';
import { eosIds } from '../engine.ts';
import { MeasuredModel } from '../measured_model.ts';
import { planSampling, samplingDefaults } from '../sampling.ts';
import type { SamplingPlan } from '../sampling.ts';
import { tokenizerFilesOf } from '../tokenizer_of.ts';
import type { RaceModels, RaceProgress } from './race_models.ts';
import { attentionOf } from './setting.ts';
import type { RaceSetting } from './setting.ts';

export interface LanesOptions {
  readonly lanes: readonly [RaceSetting, RaceSetting];
  readonly prompt: string;
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly seed: number;
}

/** How far one lane is. Times are its own: the GPU works for one lane at a time. */
export interface LaneState {
  readonly text: string;
  readonly tokens: number;
  readonly timeToFirstTokenMs: number | null;
  /** Of the tokens behind the first; null before there are two. */
  readonly tokensPerSecond: number | null;
  /** Time that this lane had. */
  readonly ownMs: number;
  readonly promptTokens: number;
  readonly kvBytesPerToken: number;
  readonly memory: { readonly weights: number; readonly cache: number; readonly activations: number };
  readonly finish: 'stop' | 'length' | null;
}

export interface LanesState {
  readonly lanes: readonly [LaneState, LaneState];
  /** What conversions were calibrated on; null: nothing was converted. */
  readonly calibrationTokens: number | null;
  /** First token that is not the same in both, and where its text begins; null while all are. */
  readonly differsAt: { readonly token: number; readonly characters: readonly [number, number] } | null;
}

/** A lane's turn. */
const TURN_MS = 150;
const SOFTWARE_TURN_MS = 600;

/**
 * Both settings answer the same prompt with the same seed, on one GPU, in turns of the same length: at any moment both had the
 * same time, to one turn.
 */
export async function raceLanes(
  gpu: Gpu,
  models: RaceModels,
  options: LanesOptions,
  onProgress: RaceProgress,
  onState: (state: LanesState) => void,
  signal: AbortSignal,
): Promise<LanesState> {
  const { checkpoint, tokenizer } = models;
  if (!checkpoint || !tokenizer) {
    throw new WebMlaError(
      'bad_request',
      `${models.name}: expected a model with a tokenizer, got ${checkpoint ? 'none' : 'random weights'}`,
      'Choose a model with weights of its own; a shape can be swept, but it has nothing to say.',
    );
  }
  const prompt = promptIds(checkpoint, tokenizer, options.prompt);
  const { temperature, seed, maxTokens } = options;
  const plan = planSampling({ temperature, seed, max_tokens: maxTokens }, samplingDefaults({}), seed);
  const contextLength = prompt.length + maxTokens;
  const eos = eosIds(checkpoint, tokenizer);
  const lanes: Lane[] = [];
  try {
    for (const setting of options.lanes) {
      const source = await models.source(setting, onProgress, signal);
      const model = await MeasuredModel.load(gpu, source, {
        attention: attentionOf(setting),
        cacheDtype: setting.cacheDtype,
        contextLength,
        onProgress: ({ loaded, total }) => onProgress('loading', loaded / total),
        signal,
      });
      lanes.push(new Lane(model, tokenizer, prompt, plan, eos));
    }
    const [first, second] = lanes;
    if (!first || !second) throw new RangeError('expected two lanes');
    const state = (): LanesState => ({
      lanes: [first.state(), second.state()],
      calibrationTokens: models.calibrationTokens,
      differsAt: firstDifference(first, second),
    });
    // Whatever a device does on its first steps only should be behind it.
    for (const lane of lanes) await lane.warmUp(signal);
    const turn = gpu.info.software ? SOFTWARE_TURN_MS : TURN_MS;
    for (let round = 0; lanes.some(({ finish }) => finish === null); round++) {
      for (const lane of round % 2 === 0 ? [first, second] : [second, first]) {
        throwIfAborted(signal);
        await lane.turn(turn, signal, () => onState(state()));
      }
    }
    return state();
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    for (const { model } of lanes) model.destroy();
  }
}

function promptIds(
  checkpoint: NonNullable<RaceModels['checkpoint']>,
  tokenizer: Tokenizer,
  prompt: string,
): number[] {
  const files = tokenizerFilesOf(checkpoint);
  const template = createChatTemplate(files?.tokenizerConfig['chat_template']);
  return new Conversation(tokenizer, template).promptIds([{ role: 'user', content: prompt }]);
}

class Lane {
  finish: LaneState['finish'] = null;
  readonly model: MeasuredModel;
  readonly ids: number[] = [];
  /** Characters of text before each token. */
  readonly starts: number[] = [];
  readonly #prompt: readonly number[];
  readonly #plan: SamplingPlan;
  readonly #eos: ReadonlySet<number>;
  readonly #stream: TextStream;
  #text = '';
  #firstMs: number | null = null;
  #ownMs = 0;
  /** Between tokens of one turn. */
  #decodeMs = 0;
  #decoded = 0;

  constructor(
    model: MeasuredModel,
    tokenizer: Tokenizer,
    prompt: readonly number[],
    plan: SamplingPlan,
    eos: ReadonlySet<number>,
  ) {
    this.model = model;
    this.#prompt = prompt;
    this.#plan = plan;
    this.#eos = eos;
    this.#stream = new TextStream(tokenizer);
  }

  async warmUp(signal: AbortSignal): Promise<void> {
    await this.model.prefill(this.#prompt, signal);
    this.model.session.reset();
  }

  async turn(ms: number, signal: AbortSignal, onToken: () => void): Promise<void> {
    if (this.finish !== null) return;
    const started = performance.now();
    let [count, last] = [0, started];
    let elapsed = 0;
    const known = [...this.#prompt, ...this.ids];
    const { contextLength } = this.model.loaded;
    const before = this.#ownMs;
    for await (const id of this.model.session.generate(known, contextLength - 1, {
      sampling: this.#plan.sampling,
      signal,
    })) {
      const now = performance.now();
      elapsed = now - started;
      this.#firstMs ??= elapsed;
      // The first token of a turn fills the pipeline anew, which an answer in one go would not.
      if (count > 0) {
        this.#decodeMs += now - last;
        this.#decoded++;
      }
      [count, last] = [count + 1, now];
      this.#ownMs = before + elapsed;
      this.#take(id);
      onToken();
      if (this.finish !== null || elapsed >= ms) return;
    }
  }

  #take(id: number): void {
    this.ids.push(id);
    this.starts.push(this.#text.length);
    if (this.#eos.has(id)) this.finish = 'stop';
    else if (this.ids.length === this.#plan.maxTokens) this.finish = 'length';
    this.#text += this.finish === 'stop' ? this.#stream.flush() : this.#stream.push(id);
    if (this.finish === 'length') this.#text += this.#stream.flush();
  }

  state(): LaneState {
    const { plan, buffers, weightBytes } = this.model.loaded;
    return {
      text: this.#text,
      tokens: this.ids.length,
      timeToFirstTokenMs: this.#firstMs,
      tokensPerSecond: this.#decoded === 0 ? null : (1000 * this.#decoded) / this.#decodeMs,
      ownMs: this.#ownMs,
      promptTokens: this.#prompt.length,
      kvBytesPerToken: plan.kvBytesPerToken,
      memory: {
        weights: weightBytes,
        cache: plan.cacheBytes,
        activations: buffers.bytes - weightBytes - plan.cacheBytes,
      },
      finish: this.finish,
    };
  }
}

function firstDifference(a: Lane, b: Lane): LanesState['differsAt'] {
  const both = Math.min(a.ids.length, b.ids.length);
  let token = 0;
  while (token < both && a.ids[token] === b.ids[token]) token++;
  if (token === both) return null;
  return { token, characters: [a.starts[token] ?? 0, b.starts[token] ?? 0] };
}
