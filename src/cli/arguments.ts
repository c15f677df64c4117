import { parseArgs } from 'node:util';
import type { EngineOptions } from '../runtime/types.ts';
import { UsageError } from './usage.ts';

const OPTIONS = {
  model: { type: 'string' },
  json: { type: 'boolean' },
  prompt: { type: 'string' },
  'prompt-ids': { type: 'string' },
  messages: { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-p': { type: 'string' },
  'top-k': { type: 'string' },
  seed: { type: 'string' },
  stop: { type: 'string', multiple: true },
  'ignore-eos': { type: 'boolean' },
  logits: { type: 'string' },
  attention: { type: 'string' },
  method: { type: 'string' },
  'kv-budget': { type: 'string' },
  'cache-dtype': { type: 'string' },
  weights: { type: 'string' },
  'context-length': { type: 'string' },
  text: { type: 'string' },
  special: { type: 'boolean' },
  system: { type: 'string' },
  out: { type: 'string' },
  form: { type: 'string' },
  exportable: { type: 'boolean' },
  format: { type: 'string' },
  'max-loss': { type: 'string' },
  'search-windows': { type: 'string' },
  'search-candidates': { type: 'string' },
  'kv-lora-rank': { type: 'string' },
  'qk-rope-head-dim': { type: 'string' },
  refit: { type: 'string' },
  'refine-steps': { type: 'string' },
  option: { type: 'string', multiple: true },
  report: { type: 'string' },
  'token-rows': { type: 'string', multiple: true },
  'calibration-tokens': { type: 'string' },
  statistics: { type: 'string' },
  'save-statistics': { type: 'string' },
  shape: { type: 'string' },
  contexts: { type: 'string' },
  prefill: { type: 'string' },
  apart: { type: 'string' },
  'prefill-math': { type: 'string' },
  against: { type: 'string' },
  window: { type: 'string' },
  'max-windows': { type: 'string' },
  'first-token': { type: 'string' },
} as const;

export type OptionName = keyof typeof OPTIONS;

const RUN_OPTIONS = [
  'attention',
  'method',
  'kv-budget',
  'cache-dtype',
  'weights',
  'prefill-math',
  'context-length',
] as const;

/** Options that each command knows; any other is wrong usage. */
const COMMANDS = {
  inspect: ['model', 'json'],
  tokenize: ['model', 'json', 'text', 'special'],
  chat: ['model', 'system', ...RUN_OPTIONS],
  bench: [
    'model',
    'json',
    'shape',
    'form',
    'kv-budget',
    'apart',
    'prefill-math',
    'contexts',
    'prefill',
    'attention',
    'cache-dtype',
  ],
  convert: [
    'model',
    'json',
    'out',
    'method',
    'form',
    'exportable',
    'format',
    'kv-budget',
    'max-loss',
    'search-windows',
    'search-candidates',
    'kv-lora-rank',
    'qk-rope-head-dim',
    'cache-dtype',
    'refit',
    'refine-steps',
    'option',
    'report',
    'text',
    'token-rows',
    'calibration-tokens',
    'statistics',
    'save-statistics',
  ],
  evaluate: ['model', 'json', 'text', 'against', 'window', 'max-windows', 'first-token', ...RUN_OPTIONS],
  generate: [
    'model',
    'json',
    'prompt',
    'prompt-ids',
    'messages',
    'max-tokens',
    'temperature',
    'top-p',
    'top-k',
    'seed',
    'stop',
    'ignore-eos',
    'logits',
    ...RUN_OPTIONS,
  ],
} as const satisfies Record<string, readonly OptionName[]>;

export type CommandName = keyof typeof COMMANDS;

/** The command line of one command, checked for known names. Values are checked where they are used. */
export class Arguments {
  readonly command: CommandName;
  readonly #values: Readonly<Record<string, string | boolean | string[] | undefined>>;

  /** @throws UsageError */
  constructor(argv: readonly string[]) {
    const [command, ...rest] = argv;
    if (!isCommand(command)) throw new UsageError(`unknown command ${JSON.stringify(command ?? '')}`);
    this.command = command;
    try {
      this.#values = parseArgs({ args: joinNegatives(rest), options: OPTIONS, strict: true }).values;
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error));
    }
    const known: readonly string[] = COMMANDS[command];
    const stranger = Object.keys(this.#values).find((name) => !known.includes(name));
    if (stranger !== undefined) throw new UsageError(`${command} has no option --${stranger}`);
  }

  text(name: OptionName): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** @throws UsageError */
  required(name: OptionName): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`${this.command} needs --${name}`);
    return value;
  }

  flag(name: OptionName): boolean {
    return this.#values[name] === true;
  }

  list(name: OptionName): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value : [];
  }

  /** @throws UsageError for what is not a number */
  number(name: OptionName): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (value.trim() === '' || !Number.isFinite(number))
      throw new UsageError(`--${name}: ${value} is not a number`);
    return number;
  }

  /** Whole numbers with commas between them. @throws UsageError */
  numbers(name: OptionName): readonly number[] | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const numbers = value.split(',').map((part) => Number(part.trim() === '' ? NaN : part));
    if (numbers.some((number) => !Number.isInteger(number) || number < 0)) {
      throw new UsageError(`--${name}: expected numbers with commas between them, got ${value}`);
    }
    return numbers;
  }

  /** One of a few words. @throws UsageError */
  choice<T extends string>(name: OptionName, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found === undefined)
      throw new UsageError(`--${name}: expected ${choices.join(' or ')}, got ${value}`);
    return found;
  }
}

/** Options of createEngine that generate, chat and evaluate share. @throws UsageError */
export function engineOptions(
  args: Arguments,
): Pick<EngineOptions, 'attention' | 'weights' | 'cacheDtype' | 'prefillMath' | 'contextLength'> {
  const form = args.choice('attention', ['gqa', 'mla']);
  const method = args.choice('method', ['exact', 'transmla', 'mha2mla', 'webmla']);
  const cacheDtype = args.choice('cache-dtype', ['f32', 'f16', 'int8', 'int4']);
  const weights = args.choice('weights', ['f32', 'f16', 'q8', 'q4', 'as-is']);
  const prefillMath = args.choice('prefill-math', ['exact', 'int8']);
  const contextLength = args.number('context-length');
  const kvBudget = args.number('kv-budget');
  const converts = method !== undefined || kvBudget !== undefined;
  if (converts && form === 'gqa') throw new UsageError('--method and --kv-budget go with --attention mla');
  if (converts && (method === 'exact') === (kvBudget !== undefined)) {
    throw new UsageError(
      method === 'exact'
        ? '--method exact keeps the cache as it is: it takes no budget'
        : `--method ${method} needs --kv-budget`,
    );
  }
  const attention = converts
    ? { form: 'mla' as const, ...(method && { method }), ...(kvBudget !== undefined && { kvBudget }) }
    : form;
  return {
    ...(attention && { attention }),
    ...(weights && { weights }),
    ...(cacheDtype && { cacheDtype }),
    ...(prefillMath && { prefillMath }),
    ...(contextLength !== undefined && { contextLength }),
  };
}

function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}

/** parseArgs takes `--seed -1` for two options. */
function joinNegatives(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const last = joined.at(-1);
    if (/^-\d/.test(arg) && last?.startsWith('--') === true && !last.includes('='))
      joined[joined.length - 1] = `${last}=${arg}`;
    else joined.push(arg);
  }
  return joined;
}
