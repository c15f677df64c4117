// What `npm start` and `npm test` need before they can begin. Plain Node: nothing is installed yet when this runs.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Runs a program and shows its output; ends this one when it fails. */
export function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')}: exit code ${status}`);
    process.exit(status ?? 1);
  }
}

/** npm ci, unless node_modules is already what package-lock.json says. */
export function installModules() {
  const stamp = join(root, 'node_modules/.webmla-lock');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('Installing dependencies (npm ci)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, wanted);
}

const BROWSER_PACKAGES = ['chromium', 'firefox-esr', 'mesa-vulkan-drivers', 'libvulkan1'];

/** Debian's Chromium (with SwiftShader) and Firefox (on Mesa's lavapipe): the two software GPUs of the tests. */
export function installBrowsers() {
  const missing = BROWSER_PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const packages = missing.join(' ');
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.error(
      `The tests drive real browsers. Install these Debian packages first, then run npm test again:\n\n    apt-get install ${packages}\n`,
    );
    process.exit(1);
  }
  console.error(`Installing ${packages} (apt-get)`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], env);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], env);
}

function isInstalled(name) {
  try {
    return execFileSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .toString()
      .startsWith('installed');
  } catch {
    return false;
  }
}
