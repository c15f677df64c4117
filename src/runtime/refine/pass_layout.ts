import type { LatentMaps } from '../../convert/latent_maps.ts';
import type { TrainedName, TrainedValues } from '../../convert/refined_maps.ts';
import type { LatentForm } from '../../core/layers.ts';
import { latentShape } from '../../core/layers.ts';
import type { Buffers } from '../../gpu/buffers.ts';
import { stride } from '../../kernels/parts.ts';
import type { LayerStream, StreamLayer } from '../layer_stream.ts';
import { rowMajor } from './products.ts';
import type { MatrixView } from './products.ts';
import { TrainedTensor } from './trained_tensor.ts';

/** Numbers of a layer, short because every product names several of them. */
export interface PassShape {
  readonly form: LatentForm;
  /** Tokens of a row at most. */
  readonly tokens: number;
  readonly heads: number;
  readonly groups: number;
  /** Heads of a group. */
  readonly share: number;
  readonly head_dim: number;
  /** groups * head_dim */
  readonly width: number;
  /** heads * head_dim */
  readonly queries: number;
  readonly hidden_size: number;
  readonly kv_lora_rank: number;
  readonly row_dim: number;
  /** Leading values of a cache row that content reads. */
  readonly v_dim: number;
  /** 2 * pairs; 0: nothing is rotated. */
  readonly rope: number;
  readonly softmax_scale: number;
}

/** Everything that a pass reads and writes. Activations are f32 [tokens, ...], dense; a gradient is named after what it is of. */
export interface PassLayout {
  readonly shape: PassShape;
  readonly tensors: Readonly<Record<TrainedName, TrainedTensor>>;
  /** Of the original layer on the converted stream, before rope: queries of head b as batch b, and y = [k ; v]. */
  readonly q: MatrixView;
  readonly y: MatrixView;
  /** What the original layer's o_proj gave on the original stream, [tokens, wantedStride]. */
  readonly wanted: GPUBuffer;
  readonly wantedStride: number;
  /** A column of ones: with it a bias is a product. */
  readonly ones: MatrixView;
  readonly ropePairs: GPUBuffer;
  /** recon: [rope, kv_lora_rank] and [rope]; not trained. */
  readonly ropeRebuild: GPUBuffer;
  readonly ropeRebuildBias: GPUBuffer;
  readonly x: GPUBuffer;
  readonly content: GPUBuffer;
  readonly values: GPUBuffer;
  /** Before rotation. */
  readonly rebuiltKey: GPUBuffer;
  readonly ropeKey: GPUBuffer;
  readonly plainQuery: GPUBuffer;
  readonly ropeQuery: GPUBuffer;
  /** [heads, tokens, tokens]: scores, then probabilities. */
  readonly scores: GPUBuffer;
  readonly headOutputs: GPUBuffer;
  readonly out: GPUBuffer;
  /** Gradients, of half the squared error. */
  readonly error: GPUBuffer;
  readonly headsGradient: GPUBuffer;
  readonly scoresGradient: GPUBuffer;
  readonly valuesGradient: GPUBuffer;
  readonly contentGradient: GPUBuffer;
  readonly queryGradient: GPUBuffer;
  readonly plainQueryGradient: GPUBuffer;
  readonly keyGradient: GPUBuffer;
  readonly rebuiltKeyGradient: GPUBuffer;
  readonly xGradient: GPUBuffer;
  /** (|error|², |wanted|²) of every token, summed over forward passes, [tokens, 2]. */
  readonly sums: GPUBuffer;
}

/** Allocates: 2 matrices of heads * tokens² values, some dozen activations, and the trained tensors 4 times. */
export function passLayout(
  { gpu, config, pipelines }: LayerStream,
  buffers: Buffers,
  original: StreamLayer,
  maps: LatentMaps,
  start: TrainedValues,
  tokens: number,
): PassLayout {
  const { num_attention_heads: heads, head_dim, hidden_size } = config;
  const { form, groups, kv_lora_rank, pairs } = maps;
  const rope = 2 * pairs.length;
  const widths = latentShape({ latent: form, kv_lora_rank, qk_rope_head_dim: rope, qk_offset: 0 });
  const shape: PassShape = {
    form,
    tokens,
    heads,
    groups,
    share: heads / groups,
    head_dim,
    width: groups * head_dim,
    queries: heads * head_dim,
    hidden_size,
    kv_lora_rank,
    row_dim: widths.row_dim,
    v_dim: widths.v_dim,
    rope,
    softmax_scale: head_dim ** -0.5,
  };
  const rows = (label: string, width: number): GPUBuffer => buffers.storage(label, tokens * width * 4);
  const square = (label: string): GPUBuffer => rows(label, heads * tokens);
  const tensor = (name: TrainedName): TrainedTensor =>
    new TrainedTensor(gpu.device, buffers, pipelines, name, start[name]);
  const { store, attend } = original.layout;
  const rebuilt = form === 'recon' ? rope : 0;
  return {
    shape,
    tensors: {
      down: tensor('down'),
      downBias: tensor('downBias'),
      ropeQuery: tensor('ropeQuery'),
      keyUp: tensor('keyUp'),
      valueUp: tensor('valueUp'),
      valueConstant: tensor('valueConstant'),
      outputWeight: tensor('outputWeight'),
      outputBias: tensor('outputBias'),
    },
    q: rowMajor(original.qkv, store.kv_stride, { offset: attend.q_offset, batch: head_dim }),
    y: rowMajor(original.qkv, store.kv_stride, { offset: store.first_offset }),
    wanted: original.projected,
    wantedStride: stride(hidden_size),
    ones: rowMajor(buffers.upload('ones', new Float32Array(tokens).fill(1)), 1),
    ropePairs: buffers.upload('rope_pairs', pairs),
    ropeRebuild: buffers.upload('rope_rebuild', Float32Array.from(maps.ropeRebuild?.data ?? [])),
    ropeRebuildBias: buffers.upload('rope_rebuild_bias', Float32Array.from(maps.ropeRebuildBias)),
    x: rows('x', shape.row_dim),
    content: rows('content', shape.width),
    values: rows('values', shape.width),
    rebuiltKey: rows('rebuilt_key', rebuilt),
    ropeKey: rows('rope_key', rope),
    plainQuery: rows('plain_query', heads * rope),
    ropeQuery: rows('rope_query', heads * rope),
    scores: square('scores'),
    headOutputs: rows('head_outputs', shape.queries),
    out: rows('out', hidden_size),
    error: rows('error', hidden_size),
    headsGradient: rows('heads_gradient', shape.queries),
    scoresGradient: square('scores_gradient'),
    valuesGradient: rows('values_gradient', shape.width),
    contentGradient: rows('content_gradient', shape.width),
    queryGradient: rows('query_gradient', heads * rope),
    plainQueryGradient: rows('plain_query_gradient', heads * rope),
    keyGradient: rows('key_gradient', rope),
    rebuiltKeyGradient: rows('rebuilt_key_gradient', rebuilt),
    xGradient: rows('x_gradient', shape.row_dim),
    sums: rows('sums', 2),
  };
}
