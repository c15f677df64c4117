import { readFile } from 'node:fs/promises';
import { WebMlaError } from '../core/errors.ts';
import { memorySource } from '../formats/byte_source.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { readTokenRows } from '../formats/npy.ts';
import { readStatistics } from '../runtime/convert_model.ts';
import type { LayerStatistics } from '../runtime/convert_model.ts';
import { textWindows } from '../runtime/evaluator.ts';
import { tokenizerOf } from '../runtime/tokenizer_of.ts';
import type { Arguments } from './arguments.ts';

/** Tokens of a row of text, and tokens in all, unless said otherwise. */
const ROW_TOKENS = 1024;
const DEFAULT_TOKENS = 32 * 1024;

/**
 * Rows that `convert` is calibrated on: --token-rows, or --text cut into rows.
 * @param spare rows that may be held back, beside the tokens that the calibration gets
 */
export async function calibrationRows(
  args: Arguments,
  checkpoint: Checkpoint,
  spare: number,
): Promise<{ readonly rows: Uint32Array<ArrayBuffer>[]; readonly calibratedRows: number }> {
  const rows: Uint32Array<ArrayBuffer>[] = [];
  for (const path of args.list('token-rows')) rows.push(...readTokenRows(await readBytes(path), path));
  const path = args.text('text');
  if (path !== undefined) {
    const tokenizer = tokenizerOf(checkpoint);
    if (!tokenizer) {
      throw new WebMlaError(
        'missing_file',
        `${checkpoint.name}: expected tokenizer.json for --text, got none`,
      );
    }
    const text = new TextDecoder().decode(await readBytes(path));
    const length = Math.min(ROW_TOKENS, checkpoint.config.max_position_embeddings);
    rows.push(...textWindows(tokenizer, text, length, undefined).windows);
  }
  // Rows that were made for calibration are all meant; of a text, some are enough.
  const most = args.number('calibration-tokens') ?? (path === undefined ? Infinity : DEFAULT_TOKENS);
  let tokens = 0;
  const enough = rows.findIndex(({ length }) => (tokens += length) > most);
  const calibratedRows = enough < 0 ? rows.length : Math.max(1, enough);
  return { rows: rows.slice(0, calibratedRows + spare), calibratedRows };
}

export async function storedStatistics(path: string): Promise<readonly LayerStatistics[]> {
  const { layers } = await readStatistics(memorySource(await readBytes(path), path));
  return layers;
}

async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WebMlaError('missing_file', `${path}: expected a file, got: ${why}`);
  }
}
