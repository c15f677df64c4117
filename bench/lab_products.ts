import { groupsOf } from '../src/core/packed.ts';
import type { PackedTensor } from '../src/core/packed.ts';
import { emptyPacked, unpackRow } from '../src/core/packed.ts';
import { numberToF16 } from '../src/core/half.ts';
import { Buffers } from '../src/gpu/buffers.ts';
import { Pipelines } from '../src/gpu/pipelines.ts';
import type { Dispatch } from '../src/gpu/pipelines.ts';
import type { LinearDims } from '../src/kernels/linear.ts';
import { matmul_int8 } from '../src/kernels/matmul_int8.ts';
import { matmul_tiled } from '../src/kernels/matmul_tiled.ts';
import { quantise_rows } from '../src/kernels/quantise_rows.ts';
import { noise, resultOf, stepOf, timed, uploadStep } from './lab.ts';
import type { Lab } from './lab.ts';

/** [in_dim, out_dim] of qkv, o, gate_up and down. */
const SHAPES: Readonly<Record<string, readonly (readonly [string, number, number])[]>> = {
  smollm2: [
    ['qkv', 576, 960],
    ['o', 576, 576],
    ['gate_up', 576, 3072],
    ['down', 1536, 576],
  ],
  qwen2: [
    ['qkv', 896, 1152],
    ['o', 896, 896],
    ['gate_up', 896, 9728],
    ['down', 4864, 896],
  ],
  llama: [
    ['qkv', 2048, 3072],
    ['o', 2048, 2048],
    ['gate_up', 2048, 16384],
    ['down', 8192, 2048],
  ],
};

interface Variant {
  readonly name: string;
  /** With pipelines of its own, so that one that does not compile fails alone. */
  readonly make: (pipelines: Pipelines) => Dispatch;
}

/** us and TFLOP/s (of int8: TOP/s) of every variant and shape. */
export async function runProducts(lab: Lab, only: readonly string[]): Promise<void> {
  for (const tokens of lab.tokens) {
    lab.print(`\nproducts, q4_0, ${tokens} tokens: us (TFLOP/s); ! where the sample is wrong`);
    const table: string[][] = [];
    for (const [model, shapes] of Object.entries(SHAPES)) {
      if (!model.startsWith(lab.shapes)) continue;
      for (const [name, in_dim, out_dim] of lab.quick ? shapes.slice(0, 1) : shapes) {
        const column = await runShape(lab, only, tokens, in_dim, lab.quick ? 130 : out_dim);
        if (table.length === 0) table.push(['', ...column.map(([variant]) => variant)]);
        table.push([`${model} ${name}`, ...column.map(([, figure]) => figure)]);
      }
    }
    const rows = table[0]?.length ?? 0;
    for (let row = 0; row < rows; row++) {
      lab.print(table.map((column, i) => (column[row] ?? '').padEnd(i === 0 ? 30 : 16)).join(''));
    }
  }
}

async function runShape(
  lab: Lab,
  only: readonly string[],
  tokens: number,
  in_dim: number,
  out_dim: number,
): Promise<[string, string][]> {
  const buffers = new Buffers(lab.gpu.device);
  const step = stepOf(tokens);
  const weight = randomWeight(out_dim, in_dim);
  const x = noise(tokens * in_dim, 3);
  const out = buffers.storage('out', tokens * out_dim * 4);
  const variants = variantsOf(lab, buffers, only, weight, x, out, tokens);
  const compiled = variants.map(({ make }) => compile(lab, make));
  await Promise.allSettled(compiled);
  const column: [string, string][] = [];
  // The last tokens, so that the edge of the tiles is among them.
  const first = Math.max(0, tokens - 130);
  for (const [i, { name }] of variants.entries()) {
    let figure: string;
    try {
      const dispatches = [await compiled[i]].flatMap((one) => one ?? []);
      const ms = await timed(lab, dispatches, step);
      const teraflops = (2 * tokens * in_dim * out_dim) / ms / 1e9;
      const result = await resultOf(lab, buffers, dispatches, step, out, first * out_dim * 4);
      const wrong = worst(result, weight, x, first) > (name.startsWith('int8') ? 0.05 : 1e-3);
      const is = name === 'quantise_rows' ? '' : ` (${teraflops.toFixed(1)})${wrong ? '!' : ''}`;
      figure = `${(ms * 1000).toFixed(1)}${is}`;
    } catch (error) {
      figure = String(error).slice(0, 200);
    }
    column.push([name, figure]);
  }
  buffers.destroy();
  return column;
}

async function compile({ gpu }: Lab, make: Variant['make']): Promise<Dispatch> {
  const pipelines = new Pipelines(gpu.device);
  const dispatch = make(pipelines);
  await pipelines.compileAll();
  return dispatch;
}

function variantsOf(
  lab: Lab,
  buffers: Buffers,
  only: readonly string[],
  packed: PackedTensor,
  values: Float32Array<ArrayBuffer>,
  out: GPUBuffer,
  tokens: number,
): Variant[] {
  const { rows: out_dim, cols: in_dim } = packed;
  const weight = buffers.upload('weight', packed.quants);
  const scales = buffers.upload('scales', packed.scales);
  const x = buffers.upload('x', values);
  const bias = buffers.storage('bias', 16);
  const step = uploadStep(lab, buffers, stepOf(tokens));
  const dims: LinearDims = {
    in_dim,
    out_dim,
    x_stride: in_dim,
    out_stride: out_dim,
    row_offset: 0,
    has_bias: false,
    max_tokens: tokens,
  };
  const variants: Variant[] = [];
  const bindings = { weight, scales, x, bias, out, step };
  const parts = { weight: 'q4_0', output: 'store' } as const;
  if (only.includes('exact')) {
    for (const SIDE of [8, 16] as const) {
      variants.push({
        name: `exact, tiles of ${8 * SIDE}`,
        make: (pipelines) => pipelines.dispatch(matmul_tiled, { ...dims, SIDE }, parts, bindings),
      });
    }
  }
  if (only.includes('int8')) {
    const groups = tokens * groupsOf(in_dim);
    const quants = buffers.storage('quants', groups * 32);
    const steps = buffers.storage('steps', groups * 8);
    const rows = { in_dim, max_tokens: tokens, rms_norm_eps: null };
    variants.push({
      name: 'quantise_rows',
      make: (pipelines) =>
        pipelines.dispatch(quantise_rows, rows, {}, { x, norm_weight: bias, quants, steps }),
    });
    for (const DEPTH of [1, 2] as const) {
      if (groupsOf(in_dim) % DEPTH !== 0) continue;
      variants.push({
        name: `int8, ${DEPTH} groups a turn`,
        make: (pipelines) =>
          pipelines.dispatch(
            matmul_int8,
            { ...dims, DEPTH },
            { packed: 'q4_0', output: 'store' },
            { weight, scales, x: quants, x_scales: steps, bias, out, step },
          ),
      });
    }
  }
  return variants;
}

/** Random nibbles under scales that differ. */
function randomWeight(rows: number, cols: number): PackedTensor {
  const tensor = emptyPacked('q4_0', rows, cols);
  const words = new Uint32Array(tensor.quants.buffer);
  noise(words.length, 7).forEach((value, i) => (words[i] = value * 2 ** 31));
  tensor.scales.forEach((_, i) => (tensor.scales[i] = numberToF16((0.2 + (i % 5) / 50) / Math.sqrt(cols))));
  return tensor;
}

/** Largest error of outputs here and there, of which the largest is about 1. */
function worst(out: Float32Array, weight: PackedTensor, x: Float32Array, first: number): number {
  const { rows, cols } = weight;
  const tokens = Math.floor(out.length / rows);
  let error = 0;
  for (let i = 0; i < 24; i++) {
    const t = i === 0 ? tokens - 1 : (i * 977) % tokens;
    const n = i === 0 ? rows - 1 : (i * 1409) % rows;
    const w = unpackRow(weight, n);
    const want = w.reduce((sum, value, k) => sum + value * (x[(first + t) * cols + k] ?? 0), 0);
    const got = out[t * rows + n] ?? NaN;
    error = Math.max(error, Number.isNaN(got) ? Infinity : Math.abs(got - want));
  }
  return error;
}
