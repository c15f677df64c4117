import { defineConfig } from 'vite';

/** The pages. The npm package is built by scripts/build.mjs. Relative base: the site works from any sub-path. */
export default defineConfig({
  base: './',
  // Several pages: an address that is not there is a 404 and not the chat page.
  appType: 'mpa',
  worker: { format: 'es' },
  build: {
    target: 'es2023',
    rolldownOptions: {
      input: {
        index: 'index.html',
        latency: 'latency.html',
        convert: 'convert.html',
        bench: 'bench.html',
        verify: 'verify.html',
      },
    },
  },
});
