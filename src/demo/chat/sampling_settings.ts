import type { SamplingParams } from '../../index.ts';
import { fieldsOf, listOf, numberOr } from '../plain_data.ts';

/** Fields of a request that a person set; what is not set takes the model's default. */
export type SamplingSettings = { readonly [Name in SamplingName]?: number } & {
  readonly stop?: readonly string[];
};

export type SamplingName = Exclude<keyof SamplingParams, 'stop' | 'ignore_eos'>;

export interface SamplingField {
  readonly name: SamplingName;
  readonly label: string;
  /** One line for people who do not know the term. */
  readonly about: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Numbers that people feel their way to have a slider beside the box. */
  readonly slider?: boolean;
}

export const SAMPLING_FIELDS: readonly SamplingField[] = [
  {
    name: 'temperature',
    label: 'Temperature',
    about: '0 always takes the likeliest token; higher is more varied.',
    min: 0,
    max: 2,
    step: 0.05,
    slider: true,
  },
  {
    name: 'top_p',
    label: 'Top p',
    about: 'Only the likeliest tokens that make up this share. 1 is off.',
    min: 0,
    max: 1,
    step: 0.01,
    slider: true,
  },
  {
    name: 'min_p',
    label: 'Min p',
    about: 'Only tokens at least this likely against the likeliest. 0 is off.',
    min: 0,
    max: 1,
    step: 0.01,
    slider: true,
  },
  {
    name: 'top_k',
    label: 'Top k',
    about: 'Only so many of the likeliest tokens. 0 is off.',
    min: 0,
    max: 2 ** 31 - 1,
    step: 1,
  },
  {
    name: 'repetition_penalty',
    label: 'Repetition penalty',
    about: 'Makes every token seen so far less likely. 1 is off.',
    min: 0.5,
    max: 2,
    step: 0.05,
  },
  {
    name: 'presence_penalty',
    label: 'Presence penalty',
    about: 'Once for each token that the answer has used. 0 is off.',
    min: -2,
    max: 2,
    step: 0.1,
  },
  {
    name: 'frequency_penalty',
    label: 'Frequency penalty',
    about: 'For each time that the answer has used a token. 0 is off.',
    min: -2,
    max: 2,
    step: 0.1,
  },
  {
    name: 'max_tokens',
    label: 'Longest answer',
    about: 'In tokens. Empty: until the model ends by itself.',
    min: 1,
    max: 2 ** 31 - 1,
    step: 1,
  },
  {
    name: 'seed',
    label: 'Seed',
    about: 'The same seed and messages give the same answer. Empty: random.',
    min: 0,
    max: 2 ** 32 - 1,
    step: 1,
  },
];

export function parseSampling(stored: unknown): SamplingSettings {
  const fields = fieldsOf(stored);
  let settings: SamplingSettings = {};
  for (const field of SAMPLING_FIELDS) {
    const value = numberOr(fields[field.name], null);
    if (value !== null && isValid(field, value)) settings = { ...settings, [field.name]: value };
  }
  const stop = listOf(fields['stop']).filter((text) => typeof text === 'string' && text !== '');
  return stop.length > 0 ? { ...settings, stop: stop.map(String) } : settings;
}

export function isValid({ min, max, step }: SamplingField, value: number): boolean {
  return value >= min && value <= max && (step !== 1 || Number.isInteger(value));
}

/** With one field changed, or back at the model's default when `value` is null. */
export function withField(
  settings: SamplingSettings,
  name: SamplingName,
  value: number | null,
): SamplingSettings {
  const { [name]: _, ...rest } = settings;
  return value === null ? rest : { ...rest, [name]: value };
}
