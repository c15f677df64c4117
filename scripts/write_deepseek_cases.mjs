// node scripts/write_deepseek_cases.mjs DIR: the exports that test/cpu/convert/deepseek.test.ts has goldens of, a folder each.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const [out] = process.argv.slice(2);
if (!out) throw new Error('expected the folder to write to');
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bundle = join(out, 'cases.mjs');
await build({
  entryPoints: [join(root, 'test/strict_models.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: bundle,
});
const { VARIANTS, IDS, exported } = await import(bundle);
await writeFile(join(out, 'ids.json'), JSON.stringify(IDS));
for (const name of Object.keys(VARIANTS)) {
  const files = exported(name);
  await mkdir(join(out, name), { recursive: true });
  await writeFile(join(out, name, 'config.json'), JSON.stringify(files['config.json'], null, 1));
  await writeFile(join(out, name, 'model.safetensors'), Buffer.concat(files['model.safetensors']));
}
