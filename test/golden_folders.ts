import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { modelsDir } from './models.ts';

/** What test/gpu and test/browser must find at least; named so that a run without the models can say what it left out. */
const KNOWN = [
  'TinyStories-656K',
  'stories-tok105',
  'stories260K',
  'tiny-chat',
  'tiny-random/llama',
  'tiny-random/qwen2',
];

/** Folders of real checkpoints, relative to the models folder: with a golden.json, safetensors, and an architecture that runs. */
export function goldenFolders(): string[] {
  if (modelsDir === null) return KNOWN;
  const root = modelsDir;
  const found = search(root).map((path) => relative(root, path));
  const missing = KNOWN.filter((name) => !found.includes(name));
  if (missing.length > 0)
    throw new Error(`${root}: expected the checkpoints ${missing.join(', ')}, got none of them`);
  return found;
}

function search(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (!statSync(path).isDirectory()) return [];
    const files = readdirSync(path);
    if (!files.includes('golden.json')) return search(path);
    const { architectures }: { architectures?: string[] } = JSON.parse(
      readFileSync(join(path, 'config.json'), 'utf8'),
    );
    const runs = ['LlamaForCausalLM', 'Qwen2ForCausalLM'].includes(architectures?.[0] ?? '');
    return runs && files.includes('model.safetensors') ? [path] : [];
  });
}
