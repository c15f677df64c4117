import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function folder(variable: string, fallback: string): string | null {
  const path = resolve(root, process.env[variable] ?? fallback);
  return existsSync(path) ? path : null;
}

/** Real checkpoints, and texts; null where they are not. */
export const modelsDir: string | null = folder('WEBMLA_MODELS', '../shared/models');
export const dataDir: string | null = folder('WEBMLA_DATA', '../shared/data');

/** A test that needs the real checkpoints. Without them it is reported as skipped, and scripts/test.mjs counts it. */
export function modelTest(name: string, run: (models: string) => void | Promise<void>, timeoutMs?: number): void {
  test.skipIf(modelsDir === null)(name, () => run(modelsDir ?? ''), timeoutMs);
}
