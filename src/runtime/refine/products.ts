import type { Buffers } from '../../gpu/buffers.ts';
import type { Dispatch } from '../../gpu/pipelines.ts';
import { batched_matmul, packProduct, PRODUCT_BYTES } from '../../kernels/batched_matmul.ts';
import type { Operand, ProductDims, Triangle } from '../../kernels/batched_matmul.ts';
import type { LayerStream } from '../layer_stream.ts';

/** A matrix, or one for each batch, somewhere in a buffer. */
export interface MatrixView extends Operand {
  readonly buffer: GPUBuffer;
}

/** Rows of `row` elements, one behind the other; `rest` for batches, shares and repeats. */
export function rowMajor(buffer: GPUBuffer, row: number, rest: Partial<Operand> = {}): MatrixView {
  return { buffer, offset: 0, row, column: 1, batch: 0, share: 1, repeat: 0, ...rest };
}

export function transposed(view: MatrixView): MatrixView {
  return { ...view, row: view.column, column: view.row };
}

export interface ProductUse {
  /** [rows, depth, columns] */
  readonly size: readonly [rows: number, depth: number, columns: number];
  readonly a: MatrixView;
  readonly b: MatrixView;
  readonly c: MatrixView;
  readonly batches?: number;
  readonly repeats?: number;
  readonly alpha?: number;
  /** Adds to C. */
  readonly add?: boolean;
  readonly triangle?: Triangle;
}

/** Records products; each has a small uniform of its own, and all of them share one pipeline. */
export class Products {
  readonly #stream: LayerStream;
  readonly #buffers: Buffers;

  constructor(stream: LayerStream, buffers: Buffers) {
    this.#stream = stream;
    this.#buffers = buffers;
  }

  record(label: string, use: ProductUse): Dispatch {
    const { size, a, b, c, batches = 1, repeats = 1, alpha = 1, add = false, triangle = 'none' } = use;
    const [rows, depth, columns] = size;
    const dims: ProductDims = {
      rows,
      columns,
      depth,
      batches,
      repeats,
      a,
      b,
      c,
      alpha,
      beta: add ? 1 : 0,
      triangle,
    };
    const { gpu, pipelines } = this.#stream;
    const product = this.#buffers.uniform(label, PRODUCT_BYTES);
    gpu.device.queue.writeBuffer(product, 0, packProduct(dims));
    return pipelines.dispatch(
      batched_matmul,
      dims,
      { tile: gpu.info.software ? 'alone' : 'shared' },
      { a: a.buffer, b: b.buffer, c: c.buffer, product },
      label,
    );
  }
}
