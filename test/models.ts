import { existsSync } from 'node:fs';
import { openAsBlob } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

/**
 * Real checkpoints, which are not in the repository: WEBMLA_MODELS, or ../shared/models beside the project's root.
 * Everything that needs them is registered here, so that a run without them can say how many tests that were.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.resolve(root, process.env['WEBMLA_MODELS'] ?? '../shared/models');

/** null when the folder is not there. */
export const modelsDir: string | null = existsSync(folder) ? folder : null;

/**
 * WEBMLA_FULL=1: what takes minutes on a software GPU is compared to its end. Without it the same checks run on fewer tokens, or
 * on fewer cases where another test has all of them; the names of such tests say so.
 */
export const fullRun = process.env['WEBMLA_FULL'] === '1';

/** Put before the names of all tests below; a reporter counts skipped tests that carry it. */
export const MODEL_TEST_MARK = '[model]';

/** Registers the test, skipped when there are no models. `run` gets the folder of all models. */
export function modelTest(name: string, run: (dir: string) => Promise<void> | void, timeout?: number): void {
  const marked = `${MODEL_TEST_MARK} ${name}`;
  const dir = modelsDir;
  if (dir === null) test.skip(marked, () => undefined);
  else test(marked, () => run(dir), timeout);
}

/** The files of a folder as a browser would give them after a choice, under `webkitRelativePath`; not read before they are used. */
export async function filesIn(dir: string): Promise<File[]> {
  const names = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isFile());
  return Promise.all(names.map(({ name }) => fileAt(path.join(dir, name))));
}

export async function fileAt(file: string): Promise<File> {
  const blob = await openAsBlob(file);
  return Object.assign(blob, { name: path.basename(file), lastModified: 0, webkitRelativePath: '' });
}
