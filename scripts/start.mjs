// npm start: installs, builds and serves the pages. `npm start -- --port 8080 --host 0.0.0.0`
import { parseArgs } from 'node:util';
import { installModules } from './setup.mjs';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '4173' }, host: { type: 'string' } },
});
installModules();
const { buildSite } = await import('./build.mjs');
const { preview } = await import('vite');
await buildSite();
const server = await preview({
  preview: { port: Number(values.port), ...(values.host && { host: values.host }) },
});
const { port } = server.httpServer.address();
const address = `http://localhost:${port}/`;
console.log(process.stdout.isTTY ? `\n  webmla is ready:  \x1b[1m${address}\x1b[0m\n` : address);
