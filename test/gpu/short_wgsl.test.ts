import { create, globals } from 'webgpu';
import { expect, test } from 'vitest';
import { shorten, shortNames } from '../../scripts/short_wgsl.mjs';
import { Buffers } from '../../src/gpu/buffers.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { KERNEL_NAMES } from '../../src/kernels/index.ts';
import { CASES } from '../../src/verify/cases.ts';

/** Kept: Dawn crashes the process when the instance is collected while its device lives. */
let instance: GPU;

/** The package's shaders have other names than the sources: every variant of every kernel is held against Dawn's compiler, without a GPU. */
test('shortened shaders compile, and leave the constants of the kernels alone', async () => {
  Object.assign(globalThis, globals);
  instance = create(['backend=null']);
  const adapter = await instance.requestAdapter();
  if (!adapter) throw new Error('no null adapter');
  const device = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });
  const names = shortNames();
  expect(names.size).toBeGreaterThan(150);
  expect(new Set(names.values()).size).toBe(names.size);
  const buffers = new Buffers(device);
  const seen = new Set<string>();
  const wrong: string[] = [];
  for (const kernel of KERNEL_NAMES) {
    for (const one of CASES[kernel]()) {
      const bound = Object.fromEntries(
        Object.entries(one.bindings()).map(([name, declared]) => {
          const { access, bytes } = declared ?? { access: 'read', bytes: 4 };
          return [name, access === 'uniform' ? buffers.uniform(name, bytes) : buffers.storage(name, bytes)];
        }),
      );
      const { label, module } = one.dispatch(new Pipelines(device), bound).pipeline;
      if (seen.has(label)) continue;
      seen.add(label);
      for (const [i, line] of module.code.split('\n').entries()) {
        const [, constant] = /^const (\w+) =/.exec(line) ?? [];
        if (constant !== undefined && names.has(constant) && module.locate(i + 1).startsWith('generated'))
          wrong.push(`${label}: ${constant} is a constant of the kernel`);
      }
      const code = shorten(module.code, names);
      const { messages } = await device.createShaderModule({ label, code }).getCompilationInfo();
      for (const { type, message, lineNum } of messages)
        if (type === 'error') wrong.push(`${label}: ${message}: ${code.split('\n')[lineNum - 1] ?? ''}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(seen.size).toBeGreaterThan(100);
  buffers.destroy();
});
