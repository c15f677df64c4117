import type { Dispatch } from '../../gpu/pipelines.ts';
import { causal_softmax } from '../../kernels/causal_softmax.ts';
import { output_error } from '../../kernels/output_error.ts';
import { rotate_rows } from '../../kernels/rotate_rows.ts';
import type { RotateRowsDims } from '../../kernels/rotate_rows.ts';
import type { LayerStream } from '../layer_stream.ts';
import type { PassLayout } from './pass_layout.ts';
import { rowMajor, transposed } from './products.ts';
import type { MatrixView, Products } from './products.ts';

/**
 * A converted layer's attention with nothing absorbed, over the queries q, keys and values y = [k ; v] that the original layer
 * makes of the converted stream (maps: src/convert/latent_maps.ts):
 *
 *   x = down y + downBias       content = keyUp x       values = valueUp x + valueConstant
 *   rope key = R_t x[rank ..], in recon R_t (ropeRebuild x + bias)        rope query of head h = R_t ropeQuery[j] q_h
 *   p = softmax(head_dim^(-1/2) (q_h . content_j + rope query_h . rope key))        head outputs = p values_j
 *   out = outputWeight head outputs + outputBias          error = out - wanted
 */
export function forwardPass(stream: LayerStream, layout: PassLayout, products: Products): Dispatch[] {
  const { shape, tensors, q, y, ones } = layout;
  const { tokens, heads, share, head_dim, width, queries, hidden_size, row_dim, v_dim, rope } = shape;
  const { pipelines, step } = stream;
  const linear = (
    label: string,
    x: MatrixView,
    out: MatrixView,
    [weight, bias]: readonly [GPUBuffer, GPUBuffer],
    [inputs, outputs]: readonly [number, number],
  ): Dispatch[] => [
    products.record(`${label}.bias`, {
      size: [tokens, 1, outputs],
      a: ones,
      b: rowMajor(bias, outputs),
      c: out,
    }),
    products.record(label, {
      size: [tokens, inputs, outputs],
      a: x,
      b: transposed(rowMajor(weight, inputs)),
      c: out,
      add: true,
    }),
  ];
  const x = rowMajor(layout.x, row_dim);
  const lanes = rowLanes(stream);
  return [
    ...linear('x', y, x, [tensors.down.value, tensors.downBias.value], [2 * width, row_dim]),
    products.record('content', {
      size: [tokens, v_dim, width],
      a: x,
      b: transposed(rowMajor(tensors.keyUp.value, v_dim)),
      c: rowMajor(layout.content, width),
    }),
    ...linear(
      'values',
      x,
      rowMajor(layout.values, width),
      [tensors.valueUp.value, tensors.valueConstant.value],
      [v_dim, width],
    ),
    products.record('content_scores', {
      size: [tokens, head_dim, tokens],
      batches: heads,
      a: q,
      b: transposed(rowMajor(layout.content, width, { batch: head_dim, share })),
      c: rowMajor(layout.scores, tokens, { batch: tokens ** 2 }),
      alpha: shape.softmax_scale,
      triangle: 'lower_output',
    }),
    ...(rope > 0 ? ropeScores() : []),
    pipelines.dispatch(causal_softmax, { heads, tokens, lanes }, {}, { scores: layout.scores }),
    products.record('head_outputs', {
      size: [tokens, tokens, head_dim],
      batches: heads,
      a: rowMajor(layout.scores, tokens, { batch: tokens ** 2 }),
      b: rowMajor(layout.values, width, { batch: head_dim, share }),
      c: rowMajor(layout.headOutputs, queries, { batch: head_dim }),
      triangle: 'lower_left',
    }),
    ...linear(
      'out',
      rowMajor(layout.headOutputs, queries),
      rowMajor(layout.out, hidden_size),
      [tensors.outputWeight.value, tensors.outputBias.value],
      [queries, hidden_size],
    ),
    pipelines.dispatch(
      output_error,
      { dim: hidden_size, wanted_stride: layout.wantedStride, max_tokens: tokens, lanes },
      {},
      { x: layout.out, wanted: layout.wanted, error: layout.error, sums: layout.sums, step },
    ),
  ];

  function ropeScores(): Dispatch[] {
    const recon = shape.form === 'recon';
    return [
      ...(recon
        ? linear(
            'rebuilt_key',
            x,
            rowMajor(layout.rebuiltKey, rope),
            [layout.ropeRebuild, layout.ropeRebuildBias],
            [row_dim, rope],
          )
        : []),
      rotation(stream, layout, {
        label: 'rope_key',
        from: recon ? layout.rebuiltKey : layout.x,
        to: layout.ropeKey,
        x: recon ? { stride: rope, offset: 0 } : { stride: row_dim, offset: shape.kv_lora_rank },
        out: { stride: rope, offset: 0 },
        vectors: 1,
      }),
      products.record('plain_query', {
        size: [tokens, head_dim, rope],
        batches: heads,
        a: q,
        b: transposed(rowMajor(tensors.ropeQuery.value, head_dim, { batch: rope * head_dim, share })),
        c: rowMajor(layout.plainQuery, heads * rope, { batch: rope }),
      }),
      rotation(stream, layout, {
        label: 'rope_query',
        from: layout.plainQuery,
        to: layout.ropeQuery,
        x: { stride: heads * rope, offset: 0 },
        out: { stride: heads * rope, offset: 0 },
        vectors: heads,
      }),
      products.record('rope_scores', {
        size: [tokens, rope, tokens],
        batches: heads,
        a: rowMajor(layout.ropeQuery, heads * rope, { batch: rope }),
        b: transposed(rowMajor(layout.ropeKey, rope)),
        c: rowMajor(layout.scores, tokens, { batch: tokens ** 2 }),
        alpha: shape.softmax_scale,
        add: true,
        triangle: 'lower_output',
      }),
    ];
  }
}

/** Threads of a row in kernels that add rows up: one instruction's worth on software adapters, where barriers cost most. */
export function rowLanes({ gpu }: LayerStream): number {
  return gpu.info.software ? 4 : 128;
}

/** A rotation of vectors of `rope` values, or its transpose. */
export function rotation(
  { pipelines, ropeTable }: LayerStream,
  { shape, ropePairs }: PassLayout,
  use: Pick<RotateRowsDims, 'vectors' | 'x' | 'out'> &
    Partial<Pick<RotateRowsDims, 'inverse' | 'accumulate'>> & {
      readonly label: string;
      readonly from: GPUBuffer;
      readonly to: GPUBuffer;
    },
): Dispatch {
  const { label, from, to, vectors, x, out, inverse = false, accumulate = false } = use;
  const { tokens, rope, head_dim } = shape;
  return pipelines.dispatch(
    rotate_rows,
    { tokens, vectors, pairs: rope / 2, x, out, rope_frequencies: head_dim / 2, inverse, accumulate },
    {},
    { x: from, rope_table: ropeTable, rope_pairs: ropePairs, out: to },
    label,
  );
}
