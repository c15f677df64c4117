/** Start the package's own workers. Each in one expression, as bundlers want it; scripts/build.mjs names the built files. */

export function spawnWorker(): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'webmla' });
}

/** Its script is fetched by conversions only. */
export function spawnConverter(): Worker {
  return new Worker(new URL('./convert_worker.ts', import.meta.url), {
    type: 'module',
    name: 'webmla converter',
  });
}
