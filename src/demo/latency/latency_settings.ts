import { parseSetting, settingKey } from '../../measure.ts';
import type { RaceRequest, RaceSetting } from '../../measure.ts';
import { fieldsOf, numberOr, oneOf, textOr } from '../plain_data.ts';
import { isShape, parseSubject, subjectSource } from '../subject.ts';
import type { Subject } from '../subject.ts';
import { HELD_OUT_TEXT, USUAL_PROMPT } from './texts.ts';

/** The forms of the page, as they are filled in. */
export interface LatencySettings {
  readonly subject: Subject;
  /** Of the model, where the subject is 'address'. */
  readonly address: string;
  /** Of the two lanes, left and right. */
  readonly lanes: readonly [RaceSetting, RaceSetting];
  readonly prompt: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  /** What is swept beside GQA f16. */
  readonly swept: readonly RaceSetting[];
  /** Tokens of the longest context. */
  readonly longest: number;
  readonly filled: Filled;
  readonly quality: boolean;
}

export const FILLINGS = ['synthetic', 'real'] as const;
export type Filled = (typeof FILLINGS)[number];

export const LENGTHS: readonly number[] = [64, 256, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072];
export const MOST_SWEPT = 12;

/** What most devices do within minutes; software adapters get work that they end as soon. */
export function usualSettings(software: boolean): LatencySettings {
  const swept = software
    ? ['gqa-int8', 'reuse-0.5-f16', 'reuse-0.75-f16']
    : ['gqa-int8', 'gqa-int4', 'reuse-0.5-f16', 'recon-0.5-f16', 'reuse-0.25-f16', 'reuse-0.25-int4'];
  return {
    subject: 'embedded',
    address: '',
    lanes: [settingOf('gqa-f16'), settingOf('reuse-0.5-f16')],
    prompt: USUAL_PROMPT,
    maxTokens: software ? 48 : 200,
    temperature: 0,
    seed: 1,
    swept: swept.map(settingOf),
    longest: software ? 64 : 4096,
    filled: 'real',
    quality: true,
  };
}

function settingOf(key: string): RaceSetting {
  const setting = parseSetting(key);
  if (!setting) throw new RangeError(`expected the key of a setting, got ${key}`);
  return setting;
}

/** 'gqa-int8,reuse-0.5-f16'; null where something else stands there. */
export function parseSwept(text: string): readonly RaceSetting[] | null {
  const keys = text.split(',').filter((key) => key.trim() !== '');
  const settings = keys.flatMap((key) => parseSetting(key) ?? []);
  if (settings.length !== keys.length || settings.length > MOST_SWEPT) return null;
  return settings.filter(
    (one, i) => settings.findIndex((other) => settingKey(other) === settingKey(one)) === i,
  );
}

/** The fields by their names, as they are kept and as they stand in the page's address. */
export function fieldsOfSettings(settings: LatencySettings): Readonly<Record<string, string>> {
  const { lanes, swept, subject, address, prompt, filled } = settings;
  return {
    ...(subject === 'address' ? { model: address.trim() } : { subject }),
    left: settingKey(lanes[0]),
    right: settingKey(lanes[1]),
    prompt,
    tokens: String(settings.maxTokens),
    temperature: String(settings.temperature),
    seed: String(settings.seed),
    settings: swept.map(settingKey).join(','),
    longest: String(settings.longest),
    filled,
    quality: settings.quality ? '1' : '0',
  };
}

/** @param otherwise for what is missing or makes no sense */
export function parseSettings(stored: unknown, otherwise: LatencySettings): LatencySettings {
  const fields = fieldsOf(stored);
  const model = textOr(fields['model'], '');
  const lane = (name: string, usual: RaceSetting): RaceSetting =>
    parseSetting(textOr(fields[name], '')) ?? usual;
  const number = (name: string, usual: number, low: number, high: number): number => {
    const value = numberOr(Number(textOr(fields[name], 'none')), usual);
    return value >= low && value <= high ? value : usual;
  };
  return {
    subject: model === '' ? parseSubject(fields['subject'] ?? fields['shape'], otherwise.subject) : 'address',
    address: model === '' ? otherwise.address : model,
    lanes: [lane('left', otherwise.lanes[0]), lane('right', otherwise.lanes[1])],
    prompt: textOr(fields['prompt'], otherwise.prompt),
    maxTokens: Math.round(number('tokens', otherwise.maxTokens, 1, 4096)),
    temperature: number('temperature', otherwise.temperature, 0, 5),
    seed: Math.round(number('seed', otherwise.seed, 0, 2 ** 32 - 1)),
    swept: parseSwept(textOr(fields['settings'], 'none')) ?? otherwise.swept,
    longest: Math.round(number('longest', otherwise.longest, 2, 1_000_000)),
    filled: oneOf(fields['filled'], FILLINGS, otherwise.filled),
    quality: textOr(fields['quality'], otherwise.quality ? '1' : '0') === '1',
  };
}

/** Doubling from 128 (16 where the longest is short) to the longest, which always is one of them. */
export function contextsTo(longest: number): readonly number[] {
  const contexts: number[] = [];
  const [first, factor] = longest <= 256 ? [16, 4] : [128, 2];
  for (let context = first; context < longest; context *= factor) contexts.push(context);
  return [...contexts, longest];
}

/** @returns null where the form is not filled in as it should be */
export function requestOf(
  kind: RaceRequest['kind'],
  settings: LatencySettings,
  software: boolean,
): RaceRequest | null {
  const { subject, address, lanes, prompt, maxTokens, temperature, seed, filled } = settings;
  if (subject === 'address' && address.trim() === '') return null;
  const common = {
    subject: subjectSource(subject, address),
    // Half a minute of a software adapter's time with the embedded model.
    calibration: {
      rowTokens: software ? 128 : 512,
      rows: software ? 4 : 16,
      refit: !software,
      priorTokens: software ? 128 : 0,
    },
  };
  if (kind === 'lanes') {
    if (prompt.trim() === '') return null;
    return { ...common, kind, lanes, prompt, maxTokens, temperature, seed };
  }
  return {
    ...common,
    kind,
    settings: settings.swept,
    contexts: contextsTo(settings.longest),
    // Random weights read no text.
    filled: isShape(subject) ? 'synthetic' : filled,
    runs: software ? 3 : 5,
    prefillTokens: Math.min(settings.longest, software ? 32 : 2048),
    document: HELD_OUT_TEXT,
    heldOut: settings.quality
      ? { text: HELD_OUT_TEXT, windowTokens: software ? 96 : 512, windows: software ? 1 : 4 }
      : null,
  };
}
