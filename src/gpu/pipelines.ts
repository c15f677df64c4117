import { WebMlaError } from '../core/errors.ts';
import { checkedBindings } from './kernel.ts';
import type { Binding, Grid, Kernel, PartChoice, PartVariants } from './kernel.ts';
import { link } from './link.ts';
import type { LinkedModule } from './link.ts';
import type { Step } from './step.ts';

/** One recorded call of a kernel: replayed as it is for every token. */
export interface Dispatch {
  readonly label: string;
  readonly pipeline: CompiledPipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: Grid | ((step: Step) => Grid | null);
  bytesMoved(step: Step): number;
}

interface CompiledPipeline {
  readonly label: string;
  readonly layout: GPUBindGroupLayout;
  readonly module: LinkedModule;
  /** Set by compileAll(). */
  pipeline?: GPUComputePipeline;
  /** So that no call compiles what another one does already. */
  compiling?: Promise<GPUComputePipeline>;
}

/** Either a whole buffer or a piece of one. */
export type BufferLike = GPUBuffer | GPUBufferBinding;

/**
 * The pipelines of one device. Requests are synchronous, so that a plan can be built without waiting; compileAll() then
 * compiles everything that was requested, in parallel.
 */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #byKey = new Map<string, CompiledPipeline>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Workgroup memory that a kernel may have. */
  get workgroupBytes(): number {
    return this.#device.limits.maxComputeWorkgroupStorageSize;
  }

  /** A dispatch of `kernel`. Same dims and parts: same pipeline. Buffers are checked against the declared bytes. */
  dispatch<D extends object, P extends Readonly<Record<string, PartVariants>>, N extends string>(
    kernel: Kernel<D, P, N>,
    dims: D,
    parts: PartChoice<P>,
    buffers: Readonly<Record<N, BufferLike>>,
    label: string = kernel.name,
  ): Dispatch {
    const bindings = checkedBindings(kernel, dims, parts);
    const pipeline = this.#request(kernel, dims, parts, bindings);
    const names = namesOf(bindings);
    const entries = names.flatMap((name, binding) => {
      const declared = bindings[name];
      return declared
        ? [{ binding, resource: checkedResource(kernel.name, name, buffers[name], declared.bytes) }]
        : [];
    });
    const total = names.reduce((sum, name) => sum + (bindings[name]?.bytes ?? 0), 0);
    return {
      label,
      pipeline,
      bindGroup: this.#device.createBindGroup({ label, layout: pipeline.layout, entries }),
      grid: kernel.grid(dims, parts),
      bytesMoved: (step) => kernel.bytesMoved?.(dims, step, parts) ?? total,
    };
  }

  #request<D extends object, P extends Readonly<Record<string, PartVariants>>, N extends string>(
    kernel: Kernel<D, P, N>,
    dims: D,
    parts: PartChoice<P>,
    bindings: Readonly<Record<N, Binding | null>>,
  ): CompiledPipeline {
    const variants = Object.entries(parts).map(([slot, variant]) => `${slot}=${variant}`);
    const constants = kernel.constants(dims, parts);
    const key = JSON.stringify([kernel.name, variants, constants]);
    const known = this.#byKey.get(key);
    if (known) return known;
    const chosen = Object.entries(kernel.parts).map(([slot, files]) => {
      const file = files[parts[slot] ?? ''];
      if (!file)
        throw new RangeError(`kernel ${kernel.name}: no variant ${String(parts[slot])} of part ${slot}`);
      return file;
    });
    const module = link(constants, [
      { name: `${kernel.name}.wgsl`, text: kernel.source },
      ...kernel.includes,
      ...chosen,
    ]);
    const layout = this.#device.createBindGroupLayout({
      label: kernel.name,
      entries: Object.values<Binding | null>(bindings).flatMap((declared, binding) =>
        declared
          ? [{ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: BUFFER_TYPES[declared.access] } }]
          : [],
      ),
    });
    const pipeline: CompiledPipeline = {
      label: [kernel.name, ...variants].join(' '),
      layout,
      module,
    };
    this.#byKey.set(key, pipeline);
    return pipeline;
  }

  /**
   * Compiles what was requested and is not compiled yet.
   * @throws WebMlaError `shader_compile` with the compiler's messages at file and line
   */
  async compileAll(onProgress?: (done: number, total: number) => void): Promise<void> {
    const waiting = [...this.#byKey.values()].filter(({ pipeline }) => !pipeline);
    let done = 0;
    onProgress?.(0, waiting.length);
    await Promise.all(
      waiting.map(async (pipeline) => {
        pipeline.pipeline = await (pipeline.compiling ??= this.#compile(pipeline));
        onProgress?.(++done, waiting.length);
      }),
    );
  }

  async #compile({ label, layout, module }: CompiledPipeline): Promise<GPUComputePipeline> {
    const shader = this.#device.createShaderModule({ label, code: module.code });
    try {
      return await this.#device.createComputePipelineAsync({
        label,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: shader, entryPoint: 'main' },
      });
    } catch (error) {
      const { messages } = await shader.getCompilationInfo();
      const lines = messages.map((m) => `${module.locate(m.lineNum)}:${m.linePos} ${m.type}: ${m.message}`);
      const text = lines.length > 0 ? lines.join('\n') : String(error);
      throw new WebMlaError(
        'shader_compile',
        `kernel ${label}: ${text}`,
        'This is a bug: please report it.',
        {},
        error,
      );
    }
  }
}

/** Object.keys, for a record that has exactly the declared keys. */
function namesOf<N extends string>(record: Readonly<Record<N, unknown>>): N[] {
  // oxlint-disable-next-line no-unsafe-type-assertion -- the record was made from the declaration itself
  return Object.keys(record) as N[];
}

const BUFFER_TYPES = {
  read: 'read-only-storage',
  read_write: 'storage',
  uniform: 'uniform',
} as const satisfies Record<Binding['access'], GPUBufferBindingType>;

function checkedResource(kernel: string, name: string, given: BufferLike, bytes: number): GPUBufferBinding {
  const resource = 'buffer' in given ? given : { buffer: given };
  const size = resource.size ?? resource.buffer.size - (resource.offset ?? 0);
  if (size < bytes) {
    throw new WebMlaError(
      'internal',
      `kernel ${kernel}, binding ${name}: expected ${bytes} bytes, got ${size}`,
    );
  }
  return resource;
}

/** Records the dispatches into a pass. Nothing is created here: this is the whole host work of a token. */
export function encode(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[], step: Step): void {
  let current: GPUComputePipeline | undefined;
  for (const { pipeline, bindGroup, grid } of dispatches) {
    const size = typeof grid === 'function' ? grid(step) : grid;
    if (size === null) continue;
    if (!pipeline.pipeline) throw new RangeError(`pipeline ${pipeline.label} is not compiled`);
    if (pipeline.pipeline !== current) pass.setPipeline((current = pipeline.pipeline));
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(size[0], size[1], size[2]);
  }
}
