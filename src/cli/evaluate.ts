import { readFile } from 'node:fs/promises';
import { WebMlaError } from '../core/errors.ts';
import { Evaluator, textWindows } from '../runtime/evaluator.ts';
import type { Evaluation } from '../runtime/evaluate.ts';
import { engineOptions } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { convertedFiles } from './converted_files.ts';
import { openDawn } from './dawn.ts';
import { openFiles } from './node_files.ts';
import { terminalProgress } from './progress.ts';
import { UsageError } from './usage.ts';

export interface Evaluated extends Evaluation {
  /** Nats over all scored tokens / ln 2 / bytes of the scored text. */
  readonly bitsPerByte: number;
  readonly kvBytesPerToken: number;
}

/** webmla evaluate: perplexity on a text, and with --against the distance from another model. */
export async function evaluateText(args: Arguments): Promise<Evaluated> {
  const { contextLength: _, ...options } = engineOptions(args);
  const window = wholeNumber(args, 'window', 2);
  const maxWindows = wholeNumber(args, 'max-windows', 1);
  const firstToken = wholeNumber(args, 'first-token', 0);
  const text = await readText(args.required('text'));
  const against = args.text('against');
  const progress = terminalProgress();
  const evaluator = await Evaluator.create({
    ...options,
    ...(await convertedFiles(await openFiles(args.required('model')), {
      ...options,
      onProgress: progress.show,
    })),
    against: against === undefined ? undefined : await openFiles(against),
    gpu: await openDawn(),
    windowTokens: window,
    onProgress: progress.show,
  });
  try {
    if (!evaluator.tokenizer)
      throw new WebMlaError('missing_file', '--model: expected tokenizer.json, got no such file');
    const { windows, bytes } = textWindows(
      evaluator.tokenizer,
      text,
      evaluator.windowTokens,
      firstToken,
      maxWindows,
    );
    const evaluation = await evaluator.run(windows);
    const bits = (evaluation.nllPerToken * evaluation.tokens) / Math.LN2;
    const { kvBytesPerToken } = evaluator;
    return { ...evaluation, bitsPerByte: bits / bytes, kvBytesPerToken };
  } finally {
    progress.clear();
    evaluator.dispose();
  }
}

export function printEvaluation({ perplexity, nllPerToken, bitsPerByte, ...rest }: Evaluated): string {
  const lines = [
    `perplexity ${perplexity.toFixed(4)}, ${nllPerToken.toFixed(5)} nats a token, ${bitsPerByte.toFixed(4)} bits a byte`,
    `${rest.tokens} tokens in ${rest.windows} windows, ${rest.kvBytesPerToken} bytes of cache a token`,
  ];
  if (rest.kl !== undefined && rest.top1Agreement !== undefined)
    lines.push(
      `KL ${rest.kl.toExponential(3)} nats, same likeliest token ${(100 * rest.top1Agreement).toFixed(2)} %`,
    );
  return lines.join('\n');
}

function wholeNumber(
  args: Arguments,
  name: 'window' | 'max-windows' | 'first-token',
  least: number,
): number | undefined {
  const value = args.number(name);
  if (value !== undefined && (!Number.isInteger(value) || value < least))
    throw new UsageError(`--${name}: expected a whole number from ${least}, got ${value}`);
  return value;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WebMlaError('missing_file', `--text ${path}: expected a text file, got: ${why}`);
  }
}
