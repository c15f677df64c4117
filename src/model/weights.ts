import type {
  DecoderEnds,
  DecoderLayer,
  FoldableMla,
  GqaAttention,
  LatentForm,
  Linear,
} from '../core/layers.ts';
import { concatRows, gatherRows, GROUP_BYTES, groupsOf, packedBytes, unpack } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import type { Buffers } from '../gpu/buffers.ts';
import { stride } from '../kernels/parts.ts';

/** Weights on the GPU, laid out as the plan wants them: q, k and v as one matrix, gate and up as one. */

/** Rows [rowOffset, rowOffset + rows) of a matrix: one format, and small enough for one binding. */
export interface DevicePiece {
  readonly format: WeightFormat;
  readonly rowOffset: number;
  readonly rows: number;
  readonly weight: GPUBuffer;
  readonly scales: GPUBuffer;
}

export interface DeviceLinear {
  readonly in_dim: number;
  readonly out_dim: number;
  readonly pieces: readonly DevicePiece[];
  readonly bias: GPUBuffer | null;
}

export interface DeviceLayer {
  readonly input_layernorm: GPUBuffer;
  readonly attention: DeviceAttention;
  readonly o_proj: DeviceLinear;
  readonly post_attention_layernorm: GPUBuffer;
  /** Rows gate_0, up_0, gate_1, up_1, ... */
  readonly gate_up_proj: DeviceLinear;
  readonly down_proj: DeviceLinear;
}

export type DeviceAttention =
  | { readonly form: 'gqa'; readonly qkv_proj: DeviceLinear }
  | {
      readonly form: 'mla';
      /** Rows of q_proj, then of kv_a_proj. */
      readonly qkv_proj: DeviceLinear;
      /** null: folded into q_proj (model/fold.ts). */
      readonly embed_q: DeviceLinear | null;
      /** null: folded into o_proj. */
      readonly unembed_out: DeviceLinear | null;
      readonly rope_pairs: Uint32Array<ArrayBuffer>;
      readonly latent: LatentForm;
      readonly kv_lora_rank: number;
      readonly qk_rope_head_dim: number;
      readonly qk_offset: number;
      readonly groups: number;
      /** reuse: rope_mean; recon: rope_rebuild transposed, [kv_lora_rank, qk_rope_head_dim], then its bias; f32. */
      readonly rope_map: GPUBuffer | null;
    };

export interface DeviceEnds {
  readonly embed_tokens: DeviceLinear;
  readonly norm: GPUBuffer;
  /** The embedding itself where they are tied. */
  readonly lm_head: DeviceLinear;
}

/** Bytes of each weight format on the device, counted as they are uploaded. */
export type FormatBytes = Partial<Record<WeightFormat, number>>;

/** Uploads weights and counts them. */
export class WeightUploader {
  readonly formatBytes: FormatBytes = {};
  /** Largest buffer that one binding may show. */
  readonly #buffers: Buffers;
  readonly #bindingLimit: number;

  constructor(buffers: Buffers, bindingLimit: number) {
    this.#buffers = buffers;
    this.#bindingLimit = bindingLimit;
  }

  layer(
    label: string,
    { input_layernorm, self_attn, post_attention_layernorm, mlp }: DecoderLayer<GqaAttention | FoldableMla>,
  ): DeviceLayer {
    return {
      input_layernorm: this.#vector(`${label}.input_layernorm`, input_layernorm),
      attention:
        self_attn.form === 'gqa'
          ? {
              form: 'gqa',
              qkv_proj: this.#linear(`${label}.qkv_proj`, [
                self_attn.q_proj,
                self_attn.k_proj,
                self_attn.v_proj,
              ]),
            }
          : {
              form: 'mla',
              qkv_proj: this.#linear(`${label}.qkv_proj`, [self_attn.q_proj, self_attn.kv_a_proj]),
              embed_q: this.#matrix(`${label}.embed_q`, self_attn.embed_q),
              unembed_out: this.#matrix(`${label}.unembed_out`, self_attn.unembed_out),
              rope_pairs: self_attn.rope_pairs,
              rope_map: this.#ropeMap(`${label}.rope_map`, self_attn),
              latent: self_attn.latent,
              kv_lora_rank: self_attn.kv_lora_rank,
              qk_rope_head_dim: self_attn.qk_rope_head_dim,
              qk_offset: self_attn.qk_offset,
              groups: self_attn.groups,
            },
      o_proj: this.#linear(`${label}.o_proj`, [self_attn.o_proj]),
      post_attention_layernorm: this.#vector(`${label}.post_attention_layernorm`, post_attention_layernorm),
      gate_up_proj: this.#linear(`${label}.gate_up_proj`, [interleave(mlp.gate_proj, mlp.up_proj)]),
      down_proj: this.#linear(`${label}.down_proj`, [mlp.down_proj]),
    };
  }

  ends({ embed_tokens, norm, lm_head }: DecoderEnds): DeviceEnds {
    const embedding = this.#linear('embed_tokens', [{ pieces: [embed_tokens], bias: null }]);
    return {
      embed_tokens: embedding,
      norm: this.#vector('norm', norm),
      lm_head: lm_head ? this.#linear('lm_head', [{ pieces: [lm_head], bias: null }]) : embedding,
    };
  }

  #matrix(label: string, tensor: PackedTensor | null): DeviceLinear | null {
    return tensor && this.#linear(label, [{ pieces: [tensor], bias: null }]);
  }

  /** What the attention kernel needs to make rope keys of a row, besides the rotation. */
  #ropeMap(
    label: string,
    { latent, kv_lora_rank, qk_rope_head_dim, rope_rebuild, rope_mean }: FoldableMla,
  ): GPUBuffer | null {
    if (latent === 'strict') return null;
    if (latent === 'reuse')
      return this.#buffers.upload(label, rope_mean ?? new Float32Array(qk_rope_head_dim));
    const map = new Float32Array((kv_lora_rank + 1) * qk_rope_head_dim);
    let row = 0;
    for (const piece of rope_rebuild?.pieces ?? []) {
      unpack(piece).forEach((value, i) => {
        map[(i % kv_lora_rank) * qk_rope_head_dim + row + Math.floor(i / kv_lora_rank)] = value;
      });
      row += piece.rows;
    }
    if (rope_rebuild?.bias) map.set(rope_rebuild.bias, kv_lora_rank * qk_rope_head_dim);
    return this.#buffers.upload(label, map);
  }

  /** Padded with zeros, so that a kernel may read whole groups. */
  #vector(label: string, values: Float32Array): GPUBuffer {
    const padded = new Float32Array(stride(values.length));
    padded.set(values);
    return this.#buffers.upload(label, padded);
  }

  /** Stacks linears. Neighbours of one format become one piece, a piece too large for a binding is cut by rows. */
  #linear(label: string, linears: readonly Linear[]): DeviceLinear {
    const stacked = linears.flatMap(({ pieces }) => pieces);
    const in_dim = stacked[0]?.cols ?? 0;
    const pieces: DevicePiece[] = [];
    let rowOffset = 0;
    for (const whole of mergeNeighbours(stacked)) {
      const rowBytes = groupsOf(in_dim) * GROUP_BYTES[whole.format];
      const most = Math.max(2, Math.floor(this.#bindingLimit / rowBytes / 2) * 2);
      for (let from = 0; from < whole.rows; from += most) {
        const piece = rowsOf(whole, from, Math.min(most, whole.rows - from));
        pieces.push(this.#piece(label, piece, rowOffset + from));
      }
      rowOffset += whole.rows;
    }
    return { in_dim, out_dim: rowOffset, pieces, bias: this.#bias(label, linears) };
  }

  #piece(label: string, piece: PackedTensor, rowOffset: number): DevicePiece {
    this.formatBytes[piece.format] = (this.formatBytes[piece.format] ?? 0) + packedBytes(piece);
    return {
      format: piece.format,
      rowOffset,
      rows: piece.rows,
      weight: this.#buffers.upload(`${label}.weight`, piece.quants),
      scales: this.#buffers.upload(`${label}.scales`, piece.scales),
    };
  }

  /** Zeros for the linears of the stack that have no bias, null when none has one. */
  #bias(label: string, linears: readonly Linear[]): GPUBuffer | null {
    if (linears.every(({ bias }) => bias === null)) return null;
    const rows = linears.map(({ pieces }) => pieces.reduce((sum, piece) => sum + piece.rows, 0));
    const bias = new Float32Array(rows.reduce((a, b) => a + b, 0));
    let at = 0;
    linears.forEach((linear, i) => {
      if (linear.bias) bias.set(linear.bias, at);
      at += rows[i] ?? 0;
    });
    return this.#buffers.upload(`${label}.bias`, bias);
  }
}

function mergeNeighbours(pieces: readonly PackedTensor[]): PackedTensor[] {
  const runs: PackedTensor[][] = [];
  for (const piece of pieces) {
    const last = runs.at(-1);
    if (last?.[0]?.format === piece.format) last.push(piece);
    else runs.push([piece]);
  }
  return runs.map((run) => (run.length === 1 && run[0] ? run[0] : concatRows(run)));
}

/** Views, not copies. */
function rowsOf(tensor: PackedTensor, from: number, rows: number): PackedTensor {
  const quantStride = tensor.quants.length / tensor.rows;
  const scaleStride = tensor.scales.length / tensor.rows;
  return {
    ...tensor,
    rows,
    quants: tensor.quants.subarray(from * quantStride, (from + rows) * quantStride),
    scales: tensor.scales.subarray(from * scaleStride, (from + rows) * scaleStride),
  };
}

/** Rows a_0, b_0, a_1, b_1, ... Two formats meet as f32, which is exact, and rare: files keep gate and up alike. */
function interleave(a: Linear, b: Linear): Linear {
  const pieces = [...a.pieces, ...b.pieces];
  const alike = new Set(pieces.map(({ format }) => format)).size === 1;
  const all = concatRows(alike ? pieces : pieces.map((p) => quantize(unpack(p), p.rows, p.cols, 'f32')));
  const half = all.rows / 2;
  const order = Array.from({ length: all.rows }, (_, i) => (i % 2) * half + Math.floor(i / 2));
  const bias =
    (a.bias ?? b.bias)
      ? Float32Array.from(
          { length: all.rows },
          (_, i) => (i % 2 === 0 ? a : b).bias?.[Math.floor(i / 2)] ?? 0,
        )
      : null;
  return { pieces: [gatherRows(all, order)], bias };
}
