import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve, sep } from 'node:path';

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
};

/** Serves folders as /name/, cross-origin isolated, with byte ranges. @returns its address, and what stops it */
export async function serve(folders) {
  const server = createServer((request, response) => {
    const [, name, ...rest] = decodeURIComponent(new URL(request.url, 'http://x').pathname).split('/');
    const root = folders[name] === undefined ? undefined : resolve(folders[name]);
    const path = root && normalize(join(root, ...rest));
    const stat = path && path.startsWith(root + sep) ? statSync(path, { throwIfNoEntry: false }) : undefined;
    const headers = {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'accept-ranges': 'bytes',
    };
    if (!stat?.isFile()) {
      response.writeHead(404, headers).end();
      return;
    }
    headers['content-type'] = TYPES[extname(path)] ?? 'application/octet-stream';
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = range ? Number(range[1]) : 0;
    const end = range?.[2] ? Math.min(Number(range[2]), stat.size - 1) : stat.size - 1;
    headers['content-length'] = end - start + 1;
    if (range) headers['content-range'] = `bytes ${start}-${end}/${stat.size}`;
    response.writeHead(range ? 206 : 200, headers);
    createReadStream(path, { start, end }).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
