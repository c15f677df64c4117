import { WebMlaError } from '../core/errors.ts';
import type { Constant, SourceFile } from './link.ts';
import type { Step } from './step.ts';

/**
 * A kernel is declared once: what it is called, which holes (parts) it has, its constants, its bindings in order of their
 * @binding index, and its grid. Everything else (layouts, pipelines, checks, labels, bytes moved) follows from that.
 */

/** Workgroups; a grid that depends on the step may be null: nothing to do in this step. */
export type Grid = readonly [x: number, y: number, z: number];
export type Access = 'read' | 'read_write' | 'uniform';

export interface Binding {
  readonly access: Access;
  /** What the kernel touches at most; a smaller buffer is refused when it is bound. */
  readonly bytes: number;
}

export const readonly = (bytes: number): Binding => ({ access: 'read', bytes });
export const writable = (bytes: number): Binding => ({ access: 'read_write', bytes });
export const uniform = (bytes: number): Binding => ({ access: 'uniform', bytes });

/** A hole in a kernel: its variants are files that define the same functions. */
export type PartVariants = Readonly<Record<string, SourceFile>>;
/** Which variant fills each hole. */
export type PartChoice<P extends Readonly<Record<string, PartVariants>>> = {
  readonly [Slot in keyof P]: keyof P[Slot] & string;
};

export interface Kernel<
  Dims extends object = object,
  Parts extends Readonly<Record<string, PartVariants>> = Readonly<Record<string, PartVariants>>,
  Names extends string = string,
> {
  readonly name: string;
  readonly source: string;
  /** What the device must have; `enable` in the source says the same to the compiler. */
  readonly feature?: 'subgroups';
  /** Files that are always part of the module, e.g. the Step struct. */
  readonly includes: readonly SourceFile[];
  readonly parts: Parts;
  constants(dims: Dims, parts: PartChoice<Parts>): Readonly<Record<string, Constant>>;
  /** null: nothing of this variant uses it, so that nothing is bound (each binding costs a browser time in every dispatch). */
  bindings(dims: Dims, parts: PartChoice<Parts>): Readonly<Record<Names, Binding | null>>;
  grid(dims: Dims, parts: PartChoice<Parts>): Grid | ((step: Step) => Grid | null);
  /** A reason why these dims cannot run, or null. */
  refuse?(dims: Dims, parts: PartChoice<Parts>): string | null;
  /** Bytes read and written by one dispatch, where that is not the sum of the bindings. */
  bytesMoved?(dims: Dims, step: Step, parts: PartChoice<Parts>): number;
}

/** Identity, for its types: dims, part names and binding names are inferred from the declaration. */
export function defineKernel<
  Dims extends object,
  const Parts extends Readonly<Record<string, PartVariants>>,
  Names extends string,
>(kernel: Kernel<Dims, Parts, Names>): Kernel<Dims, Parts, Names> {
  return kernel;
}

/** All bindings with numbers filled in, after the kernel's own checks. */
export function checkedBindings<
  D extends object,
  P extends Readonly<Record<string, PartVariants>>,
  N extends string,
>(kernel: Kernel<D, P, N>, dims: D, parts: PartChoice<P>): Readonly<Record<N, Binding | null>> {
  const reason = kernel.refuse?.(dims, parts) ?? null;
  if (reason !== null) {
    throw new WebMlaError('unsupported', `kernel ${kernel.name}: ${reason}`, '', { dims });
  }
  return kernel.bindings(dims, parts);
}
