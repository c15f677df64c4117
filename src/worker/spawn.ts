/** Starts the package's own worker. In one expression, as bundlers want it; scripts/build.mjs names the built file. */
export function spawnWorker(): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'webmla' });
}
