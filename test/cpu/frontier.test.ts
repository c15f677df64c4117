import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the plot of the frontier is the one that its points make', () => {
  const folder = mkdtempSync(join(tmpdir(), 'webmla-frontier-'));
  const out = join(folder, 'frontier.svg');
  execFileSync(process.execPath, ['scripts/plot_frontier.mjs', 'docs/data/frontier.json', out], {
    cwd: root,
  });
  expect(readFileSync(out, 'utf8')).toBe(readFileSync(join(root, 'docs/images/frontier.svg'), 'utf8'));
  rmSync(folder, { recursive: true });
});
