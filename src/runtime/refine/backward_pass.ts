import type { Dispatch } from '../../gpu/pipelines.ts';
import { softmax_gradient } from '../../kernels/softmax_gradient.ts';
import type { LayerStream } from '../layer_stream.ts';
import { rotation, rowLanes } from './forward_pass.ts';
import type { PassLayout } from './pass_layout.ts';
import { rowMajor, transposed } from './products.ts';
import type { MatrixView, Products } from './products.ts';

/**
 * After a forward pass: adds the gradient of Σ error² / 2 to that of every trained tensor. Line by line the transpose of
 * forwardPass, from the last to the first; queries and y are not trained and get none.
 */
export function backwardPass(stream: LayerStream, layout: PassLayout, products: Products): Dispatch[] {
  const { shape, tensors, q, y, ones } = layout;
  const { tokens, heads, groups, share, head_dim, width, queries, hidden_size, row_dim, v_dim, rope } = shape;
  const square = { batch: tokens ** 2 };
  /** Of y = W x + b: gradients of W and b, from that of y. */
  const weights = (
    label: string,
    gradient: MatrixView,
    x: MatrixView,
    weight: GPUBuffer,
    [inputs, outputs]: readonly [number, number],
    bias: GPUBuffer | null,
  ): Dispatch[] => [
    products.record(`${label}.gradient`, {
      size: [outputs, tokens, inputs],
      a: transposed(gradient),
      b: x,
      c: rowMajor(weight, inputs),
      add: true,
    }),
    ...(bias
      ? [
          products.record(`${label}.bias_gradient`, {
            size: [1, tokens, outputs],
            a: transposed(ones),
            b: gradient,
            c: rowMajor(bias, outputs),
            add: true,
          }),
        ]
      : []),
  ];
  /** Σ over the heads of each group of (a matrix of scores)ᵀ times what the heads have. */
  const ofGroups = (label: string, scores: GPUBuffer, b: MatrixView, c: GPUBuffer, alpha: number): Dispatch =>
    products.record(label, {
      size: [tokens, tokens, head_dim],
      batches: groups,
      repeats: share,
      a: transposed(rowMajor(scores, tokens, { batch: share * square.batch, repeat: square.batch })),
      b: { ...b, batch: share * head_dim, repeat: head_dim },
      c: rowMajor(c, width, { batch: head_dim }),
      alpha,
      triangle: 'upper_left',
    });
  const error = rowMajor(layout.error, hidden_size);
  const headsGradient = rowMajor(layout.headsGradient, queries);
  const content = rowMajor(layout.contentGradient, width);
  const values = rowMajor(layout.valuesGradient, width);
  const x = rowMajor(layout.x, row_dim);
  const xGradient = rowMajor(layout.xGradient, row_dim);
  return [
    ...weights(
      'out',
      error,
      rowMajor(layout.headOutputs, queries),
      tensors.outputWeight.gradient,
      [queries, hidden_size],
      tensors.outputBias.gradient,
    ),
    products.record('heads_gradient', {
      size: [tokens, hidden_size, queries],
      a: error,
      b: rowMajor(tensors.outputWeight.value, queries),
      c: headsGradient,
    }),
    products.record('probabilities_gradient', {
      size: [tokens, head_dim, tokens],
      batches: heads,
      a: { ...headsGradient, batch: head_dim },
      b: transposed(rowMajor(layout.values, width, { batch: head_dim, share })),
      c: rowMajor(layout.scoresGradient, tokens, square),
      triangle: 'lower_output',
    }),
    stream.pipelines.dispatch(
      softmax_gradient,
      { heads, tokens, lanes: rowLanes(stream) },
      {},
      { probabilities: layout.scores, gradient: layout.scoresGradient },
    ),
    ofGroups('values_gradient', layout.scores, headsGradient, layout.valuesGradient, 1),
    ofGroups('content_gradient', layout.scoresGradient, q, layout.contentGradient, shape.softmax_scale),
    ...weights('content', content, x, tensors.keyUp.gradient, [v_dim, width], null),
    ...weights('values', values, x, tensors.valueUp.gradient, [v_dim, width], tensors.valueConstant.gradient),
    products.record('x_gradient.content', {
      size: [tokens, width, v_dim],
      a: content,
      b: rowMajor(tensors.keyUp.value, v_dim),
      c: xGradient,
    }),
    products.record('x_gradient.values', {
      size: [tokens, width, v_dim],
      a: values,
      b: rowMajor(tensors.valueUp.value, v_dim),
      c: xGradient,
      add: true,
    }),
    ...(rope > 0 ? [...ropeQueries(), ...ropeKeys()] : []),
    ...weights('x', xGradient, y, tensors.down.gradient, [2 * width, row_dim], tensors.downBias.gradient),
  ];

  function ropeQueries(): Dispatch[] {
    const rows = { stride: heads * rope, offset: 0 };
    return [
      products.record('query_gradient', {
        size: [tokens, tokens, rope],
        batches: heads,
        a: rowMajor(layout.scoresGradient, tokens, square),
        b: rowMajor(layout.ropeKey, rope),
        c: rowMajor(layout.queryGradient, heads * rope, { batch: rope }),
        alpha: shape.softmax_scale,
        triangle: 'lower_left',
      }),
      rotation(stream, layout, {
        label: 'plain_query_gradient',
        from: layout.queryGradient,
        to: layout.plainQueryGradient,
        x: rows,
        out: rows,
        vectors: heads,
        inverse: true,
      }),
      products.record('rope_query.gradient', {
        size: [rope, tokens, head_dim],
        batches: groups,
        repeats: share,
        a: transposed(
          rowMajor(layout.plainQueryGradient, heads * rope, { batch: share * rope, repeat: rope }),
        ),
        b: { ...q, batch: share * head_dim, repeat: head_dim },
        c: rowMajor(tensors.ropeQuery.gradient, head_dim, { batch: rope * head_dim }),
        add: true,
      }),
    ];
  }

  /** strict and reuse: into x's own rope key; recon: through what rebuilds it. */
  function ropeKeys(): Dispatch[] {
    const { form, kv_lora_rank } = shape;
    const recon = form === 'recon';
    return [
      products.record('key_gradient', {
        size: [tokens, tokens, rope],
        repeats: heads,
        a: transposed(rowMajor(layout.scoresGradient, tokens, { repeat: square.batch })),
        b: rowMajor(layout.ropeQuery, heads * rope, { repeat: rope }),
        c: rowMajor(layout.keyGradient, rope),
        alpha: shape.softmax_scale,
        triangle: 'upper_left',
      }),
      rotation(stream, layout, {
        label: 'plain_key_gradient',
        from: layout.keyGradient,
        to: recon ? layout.rebuiltKeyGradient : layout.xGradient,
        x: { stride: rope, offset: 0 },
        out: recon ? { stride: rope, offset: 0 } : { stride: row_dim, offset: kv_lora_rank },
        vectors: 1,
        inverse: true,
        // Content has written there in reuse only.
        accumulate: form === 'reuse',
      }),
      ...(recon
        ? [
            products.record('x_gradient.rebuilt_key', {
              size: [tokens, rope, row_dim],
              a: rowMajor(layout.rebuiltKeyGradient, rope),
              b: rowMajor(layout.ropeRebuild, row_dim),
              c: xGradient,
              add: true,
            }),
          ]
        : []),
    ];
  }
}
