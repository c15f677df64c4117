import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** The built command line, as a user or an outside check calls it. */

export const CLI = fileURLToPath(new URL('../lib/cli.js', import.meta.url));

export function requireCli(): void {
  if (!existsSync(CLI)) throw new Error('lib/cli.js: expected a built package; run npm run build');
}

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function webmla(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}

/** Standard output as JSON, on one line and alone. */
export async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await webmla(...args, '--json');
  expect(code, stderr + stdout).toBe(0);
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout);
}

export async function failure(
  ...args: string[]
): Promise<{ code: number | null; error: { code: string; message: string; hint: string } }> {
  const { code, stdout } = await webmla(...args, '--json');
  return { code, error: JSON.parse(stdout).error };
}
