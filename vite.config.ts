import { defineConfig } from 'vite';

/** The pages. The npm package is built by scripts/build.mjs. Relative base: the site works from any sub-path. */
export default defineConfig({
  base: './',
  worker: { format: 'es' },
  build: {
    target: 'es2023',
    rolldownOptions: { input: { index: 'index.html', verify: 'verify.html' } },
  },
});
