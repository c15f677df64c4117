import type { GenerationConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import type { Sampling } from '../kernels/sample.ts';
import type { EngineInfo, SamplingParams } from './types.ts';

/** A request's sampling parameters, checked and completed. */
export interface SamplingPlan {
  /** 'argmax' when nothing but the largest logit counts: the shortest way on the GPU. */
  readonly sampling: Sampling | 'argmax';
  /** null: until the model stops, or the context is full. */
  readonly maxTokens: number | null;
  readonly stops: readonly string[];
  readonly ignoreEos: boolean;
}

/** What applies where a request names nothing: generation_config.json, then these. */
export function samplingDefaults(generation: GenerationConfig): EngineInfo['defaults'] {
  const samples = generation.do_sample ?? true;
  return {
    // transformers decodes greedily unless the file says do_sample; a chat wants sampling unless it says not to.
    temperature: samples ? (generation.temperature ?? 1) : 0,
    top_p: samples ? (generation.top_p ?? 1) : 1,
    top_k: samples ? (generation.top_k ?? 0) : 0,
    min_p: samples ? (generation.min_p ?? 0) : 0,
    repetition_penalty: generation.repetition_penalty ?? 1,
    presence_penalty: 0,
    frequency_penalty: 0,
  };
}

interface Range {
  readonly low: number;
  readonly high: number;
  readonly integer?: boolean;
}

const RANGES = {
  temperature: { low: 0, high: 100 },
  top_p: { low: 0, high: 1 },
  top_k: { low: 0, high: 2 ** 31 - 1, integer: true },
  min_p: { low: 0, high: 1 },
  repetition_penalty: { low: 1e-3, high: 1e3 },
  presence_penalty: { low: -100, high: 100 },
  frequency_penalty: { low: -100, high: 100 },
  seed: { low: -(2 ** 31), high: 2 ** 32 - 1, integer: true },
  max_tokens: { low: 1, high: 2 ** 31 - 1, integer: true },
} as const satisfies Record<string, Range>;

/**
 * @param newSeed used where the request names none
 * @throws WebMlaError `bad_request` naming the field
 */
export function planSampling(
  params: SamplingParams,
  defaults: EngineInfo['defaults'],
  newSeed: number,
): SamplingPlan {
  for (const [name, range] of Object.entries<Range>(RANGES)) checkNumber(params, name, range);
  const value = (name: keyof EngineInfo['defaults']): number => params[name] ?? defaults[name];
  const temperature = value('temperature');
  const penalised =
    value('repetition_penalty') !== 1 || value('presence_penalty') !== 0 || value('frequency_penalty') !== 0;
  const greedy = temperature === 0 || value('top_k') === 1;
  const sampling: Sampling = {
    temperature: greedy ? 1 : temperature,
    top_p: value('top_p'),
    min_p: value('min_p'),
    repetition_penalty: value('repetition_penalty'),
    presence_penalty: value('presence_penalty'),
    frequency_penalty: value('frequency_penalty'),
    top_k: value('top_k'),
    seed: (params.seed ?? newSeed) >>> 0,
    greedy,
  };
  return {
    sampling: greedy && !penalised ? 'argmax' : sampling,
    maxTokens: params.max_tokens ?? null,
    stops: stopList(params.stop),
    ignoreEos: params.ignore_eos ?? false,
  };
}

function checkNumber(params: object, name: string, { low, high, integer }: Range): void {
  const value: unknown = Object.entries(params).find(([key]) => key === name)?.[1];
  if (value === undefined || value === null) return;
  const fits = typeof value === 'number' && value >= low && value <= high;
  if (!fits || (integer === true && !Number.isInteger(value))) {
    const kind = integer === true ? 'an integer' : 'a number';
    throw new WebMlaError(
      'bad_request',
      `${name}: expected ${kind} from ${low} to ${high}, got ${JSON.stringify(value)}`,
    );
  }
}

function stopList(stop: SamplingParams['stop']): readonly string[] {
  if (stop === undefined || stop === null) return [];
  return typeof stop === 'string' ? [stop] : stop;
}

const SAMPLING_FIELDS = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repetition_penalty',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'max_tokens',
  'stop',
  'ignore_eos',
  'stream',
  'stream_options',
  'signal',
  'model',
  'user',
];

/**
 * A field that is not known is an error and not ignored: what it asks for would silently not happen.
 * @throws WebMlaError `bad_request`
 */
export function checkFields(request: object, own: readonly string[]): void {
  const unknown = Object.entries(request).find(
    ([name, value]) => value !== undefined && value !== null && ![...SAMPLING_FIELDS, ...own].includes(name),
  );
  if (!unknown) return;
  throw new WebMlaError(
    'bad_request',
    `request: expected only known fields, got ${unknown[0]}`,
    `Known fields: ${[...own, ...SAMPLING_FIELDS].join(', ')}.`,
    { field: unknown[0] },
  );
}
