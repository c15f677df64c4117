import { asWebMlaError } from '../core/errors.ts';
import { f16ToNumber } from '../core/half.ts';
import { Buffers } from '../gpu/buffers.ts';
import { encode, Pipelines } from '../gpu/pipelines.ts';
import { STEP_BYTES, writeStep } from '../gpu/step.ts';
import type { KernelName } from '../kernels/index.ts';
import { CASES } from './cases.ts';
import { TOLERANCES } from './kernel_case.ts';
import type { Expected, KernelCase } from './kernel_case.ts';

export interface CaseResult {
  readonly kernel: KernelName;
  readonly case: string;
  /** Largest |got - want| - relative * |want| over all outputs, to hold against `tolerance` (absolute). */
  readonly error: number;
  readonly tolerance: number;
  readonly passed: boolean;
  /** 'out[37]: got 1.5, want 1.4' for the worst element; or why the case could not run. */
  readonly worst: string;
}

/** Cases that the device can run: not those that need larger subgroups than it has. */
function casesFor(kernel: KernelName, device: GPUDevice): KernelCase[] {
  const size = device.features.has('subgroups') ? device.adapterInfo.subgroupMinSize : 0;
  return CASES[kernel]().filter(({ subgroupSize }) => subgroupSize <= size);
}

/** How many cases of a kernel the device cannot run. */
export function casesLeftOut(kernel: KernelName, device: GPUDevice): number {
  return CASES[kernel]().length - casesFor(kernel, device).length;
}

/**
 * Runs every case of the named kernels on the device, next to the CPU twin's values.
 * @param onResult is also told how many cases of this kernel are done, and how many it has
 * @param every takes every so-manieth case of each kernel, beginning with the first
 */
export async function verifyKernels(
  device: GPUDevice,
  names: readonly KernelName[],
  onResult?: (result: CaseResult, done: number, total: number) => void,
  every = 1,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const kernel of names) {
    let pipelines = new Pipelines(device);
    const cases = casesFor(kernel, device).filter((_, i) => i % every === 0);
    for (const [i, one] of cases.entries()) {
      // One after another, so that a failure names its case and memory stays small.
      const found = await runCase(device, pipelines, one).catch((error: unknown) => {
        // What did not compile is left behind, or it would fail the cases after it too.
        pipelines = new Pipelines(device);
        return { error: Infinity, tolerance: 0, passed: false, worst: asWebMlaError(error).message };
      });
      const result = { kernel, case: one.name, ...found };
      results.push(result);
      onResult?.(result, i + 1, cases.length);
    }
  }
  return results;
}

async function runCase(
  device: GPUDevice,
  pipelines: Pipelines,
  one: KernelCase,
): Promise<Omit<CaseResult, 'kernel' | 'case'>> {
  const buffers = new Buffers(device);
  try {
    const bound: Record<string, GPUBuffer> = {};
    const declared = one.bindings();
    for (const [name, data] of Object.entries(one.buffers)) {
      const isUniform = declared[name]?.access === 'uniform';
      bound[name] = isUniform ? buffers.uniform(name, data.byteLength) : buffers.upload(name, data);
      if (isUniform) device.queue.writeBuffer(bound[name], 0, data.buffer, data.byteOffset, data.byteLength);
    }
    const step = buffers.uniform('step', STEP_BYTES);
    device.queue.writeBuffer(step, 0, writeStep(one.step, new Uint32Array(STEP_BYTES / 4)));
    const dispatch = one.dispatch(pipelines, { ...bound, step });
    await pipelines.compileAll();

    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, [dispatch], one.step);
    pass.end();
    const outputs = Object.entries(one.expected).map(([name, expected]) => {
      const source = bound[name];
      if (!source) throw new RangeError(`case ${one.name}: no buffer ${name}`);
      const copy = buffers.readback(name, source.size);
      encoder.copyBufferToBuffer(source, 0, copy, 0, source.size);
      return { name, expected, copy };
    });
    device.queue.submit([encoder.finish()]);

    const compared: Omit<CaseResult, 'kernel' | 'case'>[] = [];
    for (const { name, expected, copy } of outputs) {
      await copy.mapAsync(GPUMapMode.READ);
      compared.push(compare(name, copy.getMappedRange(), expected));
    }
    const [worst] = compared.toSorted((a, b) => b.error - b.tolerance - (a.error - a.tolerance));
    if (!worst) throw new RangeError(`case ${one.name}: expects nothing, so it could not fail`);
    return worst;
  } finally {
    buffers.destroy();
  }
}

function compare(name: string, bytes: ArrayBuffer, expected: Expected): Omit<CaseResult, 'kernel' | 'case'> {
  if (expected.values.length === 0)
    throw new RangeError(`${name}: no values are expected, so it could not fail`);
  const got = decode(bytes, expected.as);
  const { absolute, relative } = TOLERANCES[expected.tolerance];
  let error = -Infinity;
  let worst = '';
  for (let i = 0; i < expected.values.length; i++) {
    const want = expected.values[i] ?? NaN;
    const value = got(i);
    const excess = Math.abs(value - want) - relative * Math.abs(want);
    // A NaN on either side is the worst there is, unless both have it.
    const rated = Number.isNaN(excess) ? (Number.isNaN(value) && Number.isNaN(want) ? 0 : Infinity) : excess;
    if (rated > error) {
      error = rated;
      worst = `${name}[${i}]: got ${value}, want ${want}`;
    }
  }
  return { error: Math.max(0, error), tolerance: absolute, passed: error <= absolute, worst };
}

function decode(bytes: ArrayBuffer, as: Expected['as']): (index: number) => number {
  if (typeof as === 'function') {
    const values = as(bytes);
    return (i) => values[i] ?? NaN;
  }
  const view = new DataView(bytes);
  switch (as) {
    case 'f32':
      return (i) => view.getFloat32(4 * i, true);
    case 'u32':
      return (i) => view.getUint32(4 * i, true);
    case 'f16':
      return (i) => f16ToNumber(view.getUint16(2 * i, true));
  }
}
