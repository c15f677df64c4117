import { join } from 'node:path';
import { expect } from 'vitest';
import { openNodeFiles } from '../../../src/cli/node_files.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { CALIBRATION_TOKENS, calibrationRows } from '../../../src/runtime/calibration_rows.ts';
import { CALIBRATION_TEXT } from '../../../src/runtime/calibration_text.ts';
import { modelTest } from '../../models.ts';

modelTest(
  'the text of the package is 32 rows of 1,024 tokens for SmolLM2, and plain text',
  async (models) => {
    const file = join(models, 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf');
    const checkpoint = await openCheckpoint(await openNodeFiles(file));
    const { rows } = calibrationRows(checkpoint, CALIBRATION_TEXT);
    expect(rows.map(({ length }) => length)).toEqual(Array(32).fill(1024));
    expect(CALIBRATION_TOKENS).toBe(32 * 1024);
    expect(CALIBRATION_TEXT).not.toContain('<|');
  },
);

modelTest(
  'rows begin with the token that the tokenizer puts first, and are as long as the model goes',
  async (models) => {
    const checkpoint = await openCheckpoint(await openNodeFiles(join(models, 'stories260K')));
    const longest = checkpoint.config.max_position_embeddings;
    const { rows } = calibrationRows(checkpoint, CALIBRATION_TEXT, 3 * longest + 1);
    expect(rows.map(({ length }) => length)).toEqual(Array(3).fill(longest));
    expect(rows.map(([first]) => first)).toEqual([1, 1, 1]);
    const spared = calibrationRows(checkpoint, CALIBRATION_TEXT, 100, 2);
    expect(spared.rows.map(({ length }) => length)).toEqual([100, 100, 100]);
    expect(spared.calibratedRows).toBe(1);
  },
);
