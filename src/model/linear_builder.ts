import type { Dispatch, Pipelines } from '../gpu/pipelines.ts';
import { DEFAULT_ADAPTER } from '../kernels/attention_tuning.ts';
import type { AttentionAdapter } from '../kernels/attention_tuning.ts';
import { head_matmul } from '../kernels/head_matmul.ts';
import type { LinearDims } from '../kernels/linear.ts';
import { matmul } from '../kernels/matmul.ts';
import { int8Tiled, matmul_int8 } from '../kernels/matmul_int8.ts';
import { matmul_narrow } from '../kernels/matmul_narrow.ts';
import { matmul_tiled, tiled } from '../kernels/matmul_tiled.ts';
import { matvec, matvecGroups, matvecParts, matvecTuning } from '../kernels/matvec.ts';
import { isPacked, stride } from '../kernels/parts.ts';
import type { MATVEC_OUTPUT, OUTPUT, PackedFormat, TOKEN } from '../kernels/parts.ts';
import { quantise_rows } from '../kernels/quantise_rows.ts';
import { rms_norm } from '../kernels/rms_norm.ts';
import type { PlanState } from './plan_state.ts';
import type { DeviceLinear, DevicePiece } from './weights.ts';

export interface LinearUse<Output = keyof typeof OUTPUT> {
  readonly linear: DeviceLinear;
  /** RMSNorm before the matrix, its weight; null: none. */
  readonly norm: GPUBuffer | null;
  readonly x: GPUBuffer;
  readonly out: GPUBuffer;
  readonly out_stride: number;
  readonly output: Output;
}

/** Where the activations of a product go as int8: [tokens, in_dim] of the widest matrix. */
export interface QuantisedActivations {
  readonly quants: GPUBuffer;
  readonly steps: GPUBuffer;
}

/** Records products of matrices with activations, a dispatch for each piece of a matrix. */
export class LinearBuilder {
  readonly #pipelines: Pipelines;
  readonly #eps: number;
  readonly #state: PlanState;
  readonly #adapter: AttentionAdapter;
  /** Steps of several tokens have few. */
  readonly #narrow: boolean;
  /** [tokens, hidden_size]: where a norm goes that cannot ride on its matrix. */
  readonly #normed: GPUBuffer;
  /** Prefill with activations of 8 bits; null: exact. */
  readonly #quantised: QuantisedActivations | null;
  /** Bound where a kernel variant does not read a binding. */
  readonly #unused: GPUBuffer;

  constructor(
    pipelines: Pipelines,
    rms_norm_eps: number,
    state: PlanState,
    adapter: AttentionAdapter,
    normed: GPUBuffer,
    unused: GPUBuffer,
    narrow: boolean,
    quantised: QuantisedActivations | null,
  ) {
    this.#narrow = narrow;
    this.#quantised = quantised;
    this.#pipelines = pipelines;
    this.#eps = rms_norm_eps;
    this.#state = state;
    this.#adapter = adapter;
    this.#normed = normed;
    this.#unused = unused;
  }

  /** A matrix of its own for each group of heads. */
  heads(
    label: string,
    { pieces }: DeviceLinear,
    x: GPUBuffer,
    out: GPUBuffer,
    dims: Parameters<typeof head_matmul.constants>[0],
  ): Dispatch[] {
    return pieces.map(({ format, weight, scales }) =>
      this.#pipelines.dispatch(head_matmul, dims, { weight: format }, { weight, scales, x, out }, label),
    );
  }

  /** W x for one token or for all of a step; norms ride on the former. */
  linear(label: string, tokens: number, use: LinearUse): Dispatch[] {
    return tokens === 1 ? this.vector(label, use, 'only') : this.#matmul(label, tokens, use);
  }

  /** W x for the last token of the step. */
  vector(
    label: string,
    { linear, norm, x, out, out_stride, output }: LinearUse<keyof typeof MATVEC_OUTPUT>,
    token: keyof typeof TOKEN = 'last',
  ): Dispatch[] {
    const rms_norm_eps = this.#eps;
    const { step, best } = this.#state;
    const bias = linear.bias ?? this.#unused;
    const norm_weight = norm ?? this.#unused;
    const input = norm ? 'rms_norm' : 'plain';
    let best_offset = 0;
    return pieceDims(linear, out_stride, 1).map(({ dims, format, weight, scales }) => {
      const tuning = matvecTuning(dims, this.#adapter);
      const dispatch = this.#pipelines.dispatch(
        matvec,
        { ...dims, rms_norm_eps, tuning, best_offset },
        { weight: format, input, output, ...matvecParts({ ...dims, tuning }, token) },
        { weight, scales, x, norm_weight, bias, out, best, step },
        label,
      );
      best_offset += matvecGroups({ ...dims, tuning });
      return dispatch;
    });
  }

  #matmul(label: string, tokens: number, use: LinearUse): Dispatch[] {
    const int8 = this.#narrow ? null : this.#int8(label, tokens, use);
    if (int8) return int8;
    const { linear, norm, x, out, out_stride, output } = use;
    const rms_norm_eps = this.#eps;
    const { step } = this.#state;
    const normed = this.#normed;
    const bias = linear.bias ?? this.#unused;
    const input = norm ? normed : x;
    const products = pieceDims(linear, out_stride, tokens).map(({ dims, format, weight, scales }) => {
      const parts = { weight: format, output };
      const bindings = { weight, scales, x: input, bias, out, step };
      if (this.#adapter.software) return this.#pipelines.dispatch(matmul, dims, parts, bindings, label);
      if (!this.#narrow)
        return this.#pipelines.dispatch(
          matmul_tiled,
          tiled(dims, this.#pipelines.workgroupBytes),
          parts,
          bindings,
          label,
        );
      const tuning = matvecTuning(dims, DEFAULT_ADAPTER);
      const { rows } = matvecParts({ ...dims, tuning }, 'only');
      return this.#pipelines.dispatch(
        matmul_narrow,
        { ...dims, tuning },
        { ...parts, rows },
        bindings,
        label,
      );
    });
    if (!norm) return products;
    const normDims = { in_dim: linear.in_dim, rms_norm_eps, max_tokens: tokens };
    return [
      this.#pipelines.dispatch(
        rms_norm,
        normDims,
        {},
        { x, norm_weight: norm, out: normed },
        `${label}.norm`,
      ),
      ...products,
    ];
  }

  /** With activations of 8 bits, where that was asked for and all weights are integers. */
  #int8(
    label: string,
    tokens: number,
    { linear, norm, x, out, out_stride, output }: LinearUse,
  ): Dispatch[] | null {
    const quantised = this.#quantised;
    const pieces = quantised && packedPieces(pieceDims(linear, out_stride, tokens));
    if (!pieces) return null;
    const { quants, steps } = quantised;
    const rows = { in_dim: linear.in_dim, max_tokens: tokens, rms_norm_eps: norm ? this.#eps : null };
    const bias = linear.bias ?? this.#unused;
    const { step } = this.#state;
    const norm_weight = norm ?? this.#unused;
    return [
      this.#pipelines.dispatch(
        quantise_rows,
        rows,
        {},
        { x, norm_weight, quants, steps },
        `${label}.quantise`,
      ),
      ...pieces.map(({ dims, packed, weight, scales }) =>
        this.#pipelines.dispatch(
          matmul_int8,
          int8Tiled(dims),
          { packed, output },
          { weight, scales, x: quants, x_scales: steps, bias, out, step },
          label,
        ),
      ),
    ];
  }
}

/** Pieces whose weights are small integers; null where there are others. */
function packedPieces(
  pieces: ReturnType<typeof pieceDims>,
): (ReturnType<typeof pieceDims>[number] & { readonly packed: PackedFormat })[] | null {
  const packed = pieces.flatMap((piece) =>
    isPacked(piece.format) ? [{ ...piece, packed: piece.format }] : [],
  );
  return packed.length === pieces.length ? packed : null;
}

/** The pieces of a matrix, each with what a kernel is told of it. */
function pieceDims(
  linear: DeviceLinear,
  out_stride: number,
  max_tokens: number,
): (DevicePiece & { readonly dims: LinearDims })[] {
  return linear.pieces.map((piece) => ({
    ...piece,
    dims: {
      in_dim: linear.in_dim,
      out_dim: piece.rows,
      x_stride: stride(linear.in_dim),
      out_stride,
      row_offset: piece.rowOffset,
      has_bias: linear.bias !== null,
      max_tokens,
    },
  }));
}

/** Workgroups of a matrix in decode: entries of state.best. */
export function vectorGroups(linear: DeviceLinear, adapter: AttentionAdapter): number {
  return pieceDims(linear, 0, 1).reduce(
    (sum, { dims }) => sum + matvecGroups({ ...dims, tuning: matvecTuning(dims, adapter) }),
    0,
  );
}
