import { readFile } from 'node:fs/promises';
import { WebMlaError } from '../core/errors.ts';
import { memorySource } from '../formats/byte_source.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { readTokenRows } from '../formats/npy.ts';
import type { LayerStatistics } from '../runtime/convert_model.ts';
import { readStatistics } from '../runtime/model_statistics.ts';
import { CALIBRATION_TOKENS, calibrationRows } from '../runtime/calibration_rows.ts';
import type { Arguments } from './arguments.ts';
import { defaultText } from './converted_files.ts';

/**
 * Rows that `convert` is calibrated on: --token-rows, and --text cut into rows; the text of the package without either.
 * @param spare rows that may be held back, beside the tokens that the calibration gets
 */
export async function rowsOf(
  args: Arguments,
  checkpoint: Checkpoint,
  spare: number,
): Promise<{ readonly rows: Uint32Array<ArrayBuffer>[]; readonly calibratedRows: number }> {
  const asked = args.number('calibration-tokens');
  const rows: Uint32Array<ArrayBuffer>[] = [];
  for (const path of args.list('token-rows')) rows.push(...readTokenRows(await readBytes(path), path));
  const path = args.text('text');
  if (path !== undefined || rows.length === 0) {
    const text = path === undefined ? await defaultText() : new TextDecoder().decode(await readBytes(path));
    rows.push(...calibrationRows(checkpoint, text, asked, spare).rows);
  }
  // Rows that were made for calibration are all meant; of a text, some are enough.
  const most =
    asked ?? (path === undefined && args.list('token-rows').length > 0 ? Infinity : CALIBRATION_TOKENS);
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
