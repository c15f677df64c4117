import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { link, u32 } from '../../../src/gpu/link.ts';
import { STEP_BYTES, writeStep } from '../../../src/gpu/step.ts';
import { KERNEL_NAMES, KERNELS } from '../../../src/kernels/index.ts';
import { packSampling, SAMPLING_BYTES } from '../../../src/kernels/sample.ts';
import { CASES } from '../../../src/verify/cases.ts';

const shaders = fileURLToPath(new URL('../../../shaders', import.meta.url));
const ACCESS: Readonly<Record<string, string>> = {
  'storage, read': 'read',
  'storage, read_write': 'read_write',
  uniform: 'uniform',
};

/** `@group(0) @binding(n) var<access> name`, one a line. */
function bindingsOf(text: string): { index: number; access: string; name: string }[] {
  const found = text.matchAll(/^@group\(0\) @binding\((\d+)\) var<([^>]+)> (\w+):/gm);
  return Array.from(found, ([, index, access, name]) => ({
    index: Number(index),
    access: ACCESS[access ?? ''] ?? 'unknown',
    name: name ?? '',
  }));
}

function fieldsOf(file: string): string[] {
  return Array.from(
    readFileSync(`${shaders}/parts/${file}`, 'utf8').matchAll(/^ {2}(\w+): (?:u32|f32),/gm),
    ([, name]) => name ?? '',
  );
}

describe('what TypeScript says of a kernel is what its WGSL says', () => {
  test('no shader has a #, which stands for a line end in the package', () => {
    const names = readdirSync(shaders, { recursive: true, encoding: 'utf8' });
    const files = names.filter((name) => name.endsWith('.wgsl'));
    expect(files.filter((name) => readFileSync(`${shaders}/${name}`, 'utf8').includes('#'))).toEqual([]);
  });

  test('every shader has a declaration of its name', () => {
    const files = readdirSync(shaders).filter((name) => name.endsWith('.wgsl'));
    expect(files.map((name) => name.replace('.wgsl', '')).toSorted()).toEqual([...KERNEL_NAMES].toSorted());
  });

  test.each(KERNEL_NAMES)('%s', (name) => {
    // A binding that some variants do not use is declared by others.
    const all = CASES[name]().map((one) => one.bindings());
    const declared = Object.keys(all[0] ?? {}).map((binding) => ({
      access: all.find((bindings) => bindings[binding])?.[binding]?.access,
      name: binding,
    }));
    expect(declared.length).toBeGreaterThan(0);
    const { source, includes } = KERNELS[name];
    const wgsl = bindingsOf([source, ...includes.map(({ text }) => text)].join('\n'));
    expect(wgsl.map(({ index }) => index)).toEqual(wgsl.map((_, i) => i));
    expect(wgsl.map(({ access, name: binding }) => ({ access, name: binding }))).toEqual(declared);
    expect(declared.filter(({ access }) => access !== 'uniform').length).toBeLessThanOrEqual(8);
  });

  test('Step has the fields of the struct, in order', () => {
    const fields = fieldsOf('step.wgsl');
    expect(fields.length * 4).toBe(STEP_BYTES);
    const words = writeStep(
      { position: 10, num_tokens: 11, num_splits: 12, split_len: 13 },
      new Uint32Array(4),
    );
    expect(fields.map((field, i) => [field, words[i]])).toEqual([
      ['position', 10],
      ['num_tokens', 11],
      ['num_splits', 12],
      ['split_len', 13],
    ]);
  });

  test('Sampling has the fields of the struct, in order', () => {
    const sampling = {
      temperature: 1,
      top_p: 2,
      min_p: 3,
      repetition_penalty: 4,
      presence_penalty: 5,
      frequency_penalty: 6,
      top_k: 7,
      seed: 8,
      greedy: true,
    };
    const fields = fieldsOf('sampling.wgsl');
    expect(fields).toEqual(Object.keys(sampling));
    expect(SAMPLING_BYTES).toBeGreaterThanOrEqual(fields.length * 4);
    const view = new DataView(packSampling(sampling).buffer);
    const values = fields.map((_, i) => (i < 6 ? view.getFloat32(4 * i, true) : view.getUint32(4 * i, true)));
    expect(values).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1]);
  });
});

describe('link', () => {
  test('finds the file and line of a line of the module', () => {
    const module = link({ n: u32(3) }, [
      { name: 'a.wgsl', text: 'one\ntwo\n' },
      { name: 'parts/b.wgsl', text: 'three\n' },
    ]);
    expect(module.code.split('\n')[3]).toBe('three');
    expect(module.locate(1)).toBe('generated constants:1');
    expect(module.locate(3)).toBe('shaders/a.wgsl:2');
    expect(module.locate(4)).toBe('shaders/parts/b.wgsl:1');
  });

  test('writes numbers that WGSL reads as they are', () => {
    const { code } = link(
      { a: { type: 'f32', value: 1 }, b: { type: 'f32', value: 1e-5 }, c: { type: 'bool', value: false } },
      [],
    );
    expect(code).toContain('const a = 1e+0f;');
    expect(code).toContain('const b = 9.999999747378752e-6f;');
    expect(code).toContain('const c = false;');
    expect(() => link({ a: u32(-1) }, [])).toThrow('unsigned');
  });
});
