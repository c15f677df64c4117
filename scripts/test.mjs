// npm test: installs what the tests need, checks, builds, and runs all tests. Arguments go to vitest: npm test -- test/cpu
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installBrowsers, installModules, root, run } from './setup.mjs';

installModules();
installBrowsers();
run('npm', ['run', '--silent', 'check']);
run(process.execPath, ['scripts/build.mjs']);

const folder = mkdtempSync(join(tmpdir(), 'webmla-test-'));
const results = join(folder, 'results.json');
const vitest = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
const { testResults, numPassedTests, numFailedTests } = JSON.parse(readFileSync(results, 'utf8'));
rmSync(folder, { recursive: true });
// A file that does not load has no tests to fail: it counts as one.
const brokenFiles = testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
);
const skipped = testResults.flatMap(({ assertionResults }) =>
  assertionResults.filter(({ status }) => status === 'skipped' || status === 'pending'),
);
const withoutModels = skipped.filter(({ title }) => title.includes('[model]'));
const failed = numFailedTests + brokenFiles.length;
if (skipped.length > withoutModels.length)
  console.log(`${skipped.length - withoutModels.length} tests skipped`);
if (withoutModels.length > 0) console.log(`${withoutModels.length} model tests not run`);
console.log(`${numPassedTests} passed, ${failed} failed`);
process.exit(failed === 0 && vitest.status === 0 ? 0 : 1);
