import { at } from './at.ts';
import { rotate } from './rotate.ts';
import type { Rope } from './rotate.ts';

/** How a cache row becomes the row of which K and V are views. `rope` is about keys: its offset is one of the cache row. */
export type StagedForm =
  | { readonly row: 'plain' }
  | { readonly row: 'rotate'; readonly rope: Rope }
  /** mean: [rope.dim], added to the rope region first */
  | { readonly row: 'reuse'; readonly rope: Rope; readonly mean: Float32Array }
  /** matrix: [rope.dim, row_dim], bias: [rope.dim] */
  | {
      readonly row: 'recon';
      readonly rope: Rope;
      readonly matrix: Float32Array;
      readonly bias: Float32Array;
    };

export function stagedRow(row: Float32Array, position: number, form: StagedForm): Float32Array {
  switch (form.row) {
    case 'plain':
      return row;
    case 'rotate':
      return rotate(row.slice(), position, form.rope);
    case 'reuse': {
      const { offset, dim } = form.rope;
      const content = row.slice();
      form.mean.forEach((value, i) => (content[offset + i] = at(content, offset + i) + value));
      const key = content.slice(offset, offset + dim);
      return Float32Array.of(...content, ...rotate(key, position, { ...form.rope, offset: 0 }));
    }
    case 'recon': {
      const key = form.bias.map((bias, e) => {
        let sum = bias;
        for (let i = 0; i < row.length; i++) sum += at(form.matrix, e * row.length + i) * at(row, i);
        return sum;
      });
      return Float32Array.of(...row, ...rotate(key, position, { ...form.rope, offset: 0 }));
    }
  }
}
