// @huggingface/hub chooses its browser build by a package.json field that bundlers ignore beside `exports`, and brings code for
// uploads along. Used by the pages' build and by the package's.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const scripts = dirname(fileURLToPath(import.meta.url));
const modules = join(scripts, '..', 'node_modules');
const uploadStub = join(scripts, 'upload_stub.mjs');

export const aliases = {
  '@huggingface/hub': join(modules, '@huggingface/hub/dist/browser/index.mjs'),
  '@huggingface/xetchunk-wasm': uploadStub,
};

/** Modules that the hub library imports when something is uploaded. */
const UPLOADS = /^\.\/(FileBlob|sha256-wrapper|sha256-node|sub-paths)-/;

/** For Vite: the aliases, and the stub for uploads. */
export const viteAliases = [
  ...Object.entries(aliases).map(([find, replacement]) => ({ find, replacement })),
  { find: /^\.\/(?:FileBlob|sha256-wrapper|sha256-node|sub-paths)-.*$/, replacement: uploadStub },
];

/** For esbuild, whose aliases know no patterns. */
export const withoutUploads = {
  name: 'without-uploads',
  setup(build) {
    build.onResolve({ filter: UPLOADS }, () => ({ path: uploadStub }));
  },
};
