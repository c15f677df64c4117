import { at } from './at.ts';

/** Where element (i, j) lies; the same fields as the kernel's operands. */
interface Strides {
  readonly offset: number;
  readonly row: number;
  readonly column: number;
  readonly batch: number;
  readonly share: number;
  readonly repeat: number;
}

interface Product {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly batches: number;
  readonly repeats: number;
  readonly a: Strides;
  readonly b: Strides;
  readonly c: { readonly offset: number; readonly row: number; readonly batch: number };
  readonly alpha: number;
  readonly beta: number;
}

/** C[b] = alpha Σ_r A[b, r] B[b, r] + beta C[b]. Changes and returns `c`. */
export function batched_matmul(
  dims: Product,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  c: Float32Array,
): Float32Array {
  const element = (x: Strides, values: ArrayLike<number>, batch: number, r: number, i: number, j: number) =>
    at(values, x.offset + Math.floor(batch / x.share) * x.batch + r * x.repeat + i * x.row + j * x.column);
  for (let batch = 0; batch < dims.batches; batch++) {
    for (let i = 0; i < dims.rows; i++) {
      for (let j = 0; j < dims.columns; j++) {
        let sum = 0;
        for (let r = 0; r < dims.repeats; r++) {
          for (let k = 0; k < dims.depth; k++) {
            sum += element(dims.a, a, batch, r, i, k) * element(dims.b, b, batch, r, k, j);
          }
        }
        const to = dims.c.offset + batch * dims.c.batch + i * dims.c.row + j;
        c[to] = dims.alpha * sum + (dims.beta === 0 ? 0 : dims.beta * at(c, to));
      }
    }
  }
  return c;
}
