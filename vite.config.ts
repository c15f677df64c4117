import { defineConfig } from 'vite';
import { viteAliases } from './scripts/aliases.mjs';

/** The pages. The npm package is built by scripts/build.mjs. Relative base: the site works from any sub-path. */
export default defineConfig({
  base: './',
  resolve: { alias: viteAliases },
  worker: { format: 'es' },
  build: {
    target: 'es2023',
    rolldownOptions: { input: { index: 'index.html', verify: 'verify.html' } },
  },
});
