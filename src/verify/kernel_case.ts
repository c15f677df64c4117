import type { Binding, Kernel, PartChoice, PartVariants } from '../gpu/kernel.ts';
import type { BufferLike, Dispatch, Pipelines } from '../gpu/pipelines.ts';
import type { Step } from '../gpu/step.ts';

/** |got - want| <= absolute + relative * |want| */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** The only tolerances there are. Inputs are scaled so that results are of the order of one. */
export const TOLERANCES = {
  /** Integers, copies, and decoded weights. */
  exact: { absolute: 0, relative: 0 },
  /** A sum in f32 in another order, with exp where the formula has one. */
  f32: { absolute: 2e-5, relative: 2e-5 },
  /** A value rounded to f16 that may have been just beside a rounding border. */
  f16: { absolute: 1e-6, relative: 2 ** -10 },
  /** Values from -2.9 to 2.9 against what int8 or int4 made of them: half a step, and the rounding of step and minimum to f16. */
  int8: { absolute: 0.016, relative: 0 },
  int4: { absolute: 0.2, relative: 0 },
} as const satisfies Record<string, Tolerance>;

export interface Expected {
  /** How the buffer is read. */
  readonly as: 'f32' | 'f16' | 'u32' | ((bytes: ArrayBuffer) => ArrayLike<number>);
  /** The buffer's first values; what lies behind is not compared. */
  readonly values: ArrayLike<number>;
  readonly tolerance: keyof typeof TOLERANCES;
}

/** One run of one kernel: buffers before, values after. */
export interface KernelCase {
  readonly name: string;
  readonly step: Step;
  /** Threads that a subgroup of the device must have; 0: none is needed. */
  readonly subgroupSize: number;
  /** Contents before the dispatch; `step` is filled in by the runner. */
  readonly buffers: Readonly<Record<string, ArrayBufferView<ArrayBuffer>>>;
  readonly expected: Readonly<Record<string, Expected>>;
  /** As the kernel declares them for this case. */
  bindings(): Readonly<Record<string, Binding | null>>;
  dispatch(pipelines: Pipelines, buffers: Readonly<Record<string, BufferLike>>): Dispatch;
}

interface CaseInput<D, P extends Readonly<Record<string, PartVariants>>, N extends string> {
  readonly name: string;
  readonly subgroupSize?: number;
  readonly dims: D;
  readonly parts: PartChoice<P>;
  readonly step?: Partial<Step>;
  readonly buffers: Readonly<Record<Exclude<N, 'step'>, ArrayBufferView<ArrayBuffer>>>;
  readonly expected: Readonly<Partial<Record<N, Expected>>>;
}

/** Ties the buffers and expectations of a case to the binding names of its kernel. */
export function kernelCase<
  D extends object,
  P extends Readonly<Record<string, PartVariants>>,
  N extends string,
>(
  kernel: Kernel<D, P, N>,
  { name, subgroupSize = 0, dims, parts, step, buffers, expected }: CaseInput<D, P, N>,
): KernelCase {
  const variants = Object.values<string>(parts);
  return {
    name: [name, ...variants].join(' '),
    subgroupSize,
    step: { position: 0, num_tokens: 1, num_splits: 1, split_len: 0, ...step },
    buffers,
    expected: definedOf(expected),
    bindings: () => kernel.bindings(dims, parts),
    dispatch: (pipelines, given) => pipelines.dispatch(kernel, dims, parts, given),
  };
}

function definedOf<T>(record: Readonly<Partial<Record<string, T>>>): Readonly<Record<string, T>> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
