import { Buffers } from '../src/gpu/buffers.ts';
import type { Dispatch } from '../src/gpu/pipelines.ts';
import { stepOf, timed } from './lab.ts';
import type { Lab } from './lab.ts';

const TURNS = 2048;
const SUMS = 16;
const GROUPS = 132 * 16;

/** What the GPU can do at most: independent chains in registers, nothing else. */
export async function runPeak(lab: Lab): Promise<void> {
  const names = Array.from({ length: SUMS }, (_, i) => `s${i}`);
  const kernels = {
    'f32 multiply-add': { type: 'f32', term: (s: string) => `${s} = fma(a, ${s}, b);`, operations: 2 },
    dot4I8Packed: {
      type: 'i32',
      term: (s: string) => `${s} = ${s} + dot4I8Packed(p, q + u32(${s}));`,
      operations: 8,
    },
    'dot4I8Packed of constants': {
      type: 'i32',
      term: (s: string) => `${s} = ${s} + dot4I8Packed(p + i, q);`,
      operations: 8,
    },
    'dot4I8Packed, eight and a scaled sum': {
      type: 'f32',
      term: (s: string) =>
        `${s} = ${s} + b * f32(${Array.from({ length: 8 }, (_, i) => `dot4I8Packed(p${i} , q${s.slice(1)})`).join(' + ')});`,
      operations: 64,
    },
  };
  for (const [name, { type, term, operations }] of Object.entries(kernels)) {
    const turns = operations === 64 ? TURNS / 8 : TURNS;
    const code = `
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = out[0]; let b = out[1]; var p = bitcast<u32>(out[2]) + id.x; let q = bitcast<u32>(out[3]) + id.x * 3u;
  ${Array.from({ length: 8 }, (_, i) => `var p${i} = p * ${i + 2}u;`).join(' ')}
  ${names.map((_, i) => `let q${i} = q * ${i + 3}u;`).join(' ')}
  ${names.map((s, i) => `var ${s} = ${type}(id.x + ${i}u);`).join(' ')}
  for (var i = 0u; i < ${turns}u; i++) {
    ${names.map((s) => term(s)).join('\n    ')}
    ${Array.from({ length: 8 }, (_, i) => `p${i} += i;`).join(' ')}
  }
  if (id.x == 0xffffffffu) { out[4] = ${names.map((s) => `f32(${s})`).join(' + ')}; }
}`;
    const ms = await timeCode(lab, name, code);
    const total = GROUPS * 256 * SUMS * turns * operations;
    lab.print(`${name}: ${(total / ms / 1e9).toFixed(1)} T/s`);
  }
}

async function timeCode(lab: Lab, label: string, code: string): Promise<number> {
  const { device } = lab.gpu;
  const buffers = new Buffers(device);
  const layout = device.createBindGroupLayout({
    entries: [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'storage' } }],
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const resource = { buffer: buffers.storage('out', 32) };
  const dispatch: Dispatch = {
    label,
    pipeline: { label, layout, module: { code, locate: String }, pipeline },
    bindGroup: device.createBindGroup({ layout, entries: [{ binding: 0, resource }] }),
    grid: [lab.quick ? 1 : GROUPS, 1, 1],
    bytesMoved: () => 0,
  };
  const ms = await timed(lab, [dispatch], stepOf(1));
  buffers.destroy();
  return ms;
}
