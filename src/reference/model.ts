import type { ModelConfig } from '../core/config.ts';
import { latentShape } from '../core/layers.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, MlaAttention } from '../core/layers.ts';
import { unpack } from '../core/packed.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies, rotaryDim } from '../core/rope.ts';
import { at } from './at.ts';
import { attention_combine } from './attention_combine.ts';
import { attention_partial } from './attention_partial.ts';
import { embed_tokens } from './embed_tokens.ts';
import { head_matmul } from './head_matmul.ts';
import { columns, readLatentRows } from './latent_rows.ts';
import { linear, rotateRows } from './linear.ts';
import { applyOutput, matmul, silu } from './matmul.ts';
import { rms_norm } from './rms_norm.ts';
import { store_rows } from './store_rows.ts';

/**
 * The whole model on the CPU, a sequence at once and without a cache that lasts: the oracle of every kernel plan.
 *  gqa       softmax(Q Kᵀ) V with K and V per KV head
 *  naive     MLA as written: K (its content part) and V are expanded for every head, then ordinary attention
 *  absorbed  MLA over the cache rows: queries move into the row's space, outputs back out of it
 */
export type OracleForm = 'gqa' | 'naive' | 'absorbed';

/**
 * @param observe gets the normed input of every layer's attention, [ids, hidden_size]
 * @returns logits [ids, vocab_size]
 */
export function runModel(
  config: ModelConfig,
  ends: DecoderEnds,
  layers: readonly DecoderLayer[],
  ids: readonly number[],
  form: OracleForm,
  observe: (layer: number, x: Float32Array) => void = () => undefined,
): Float32Array {
  const { hidden_size, rms_norm_eps } = config;
  const inv_freq = ropeFrequencies(config);
  const table = cosSinTable(inv_freq, ids.length, ropeAttentionFactor(config.rope_scaling));
  const embedding = unpack(ends.embed_tokens);
  let hidden = embed_tokens(embedding, hidden_size, ids);
  for (const [layer, { input_layernorm, self_attn, post_attention_layernorm, mlp }] of layers.entries()) {
    const x = rms_norm(hidden, input_layernorm, rms_norm_eps);
    observe(layer, x);
    const heads =
      self_attn.form === 'gqa'
        ? gqaHeads(config, self_attn, x, table)
        : form === 'naive'
          ? naiveHeads(config, self_attn, x, table)
          : absorbedHeads(config, self_attn, x, table);
    hidden = applyOutput('residual', linear(self_attn.o_proj, heads), hidden);
    const y = rms_norm(hidden, post_attention_layernorm, rms_norm_eps);
    const up = linear(mlp.up_proj, y);
    const gated = linear(mlp.gate_proj, y).map((gate, i) => silu(gate) * at(up, i));
    hidden = applyOutput('residual', linear(mlp.down_proj, gated), hidden);
  }
  const lm_head = ends.lm_head ? unpack(ends.lm_head) : embedding;
  return matmul(lm_head, rms_norm(hidden, ends.norm, rms_norm_eps), hidden_size);
}

/** softmax(scale q_t . k_n) v_n over n <= t for one head. q, k [tokens, qk_dim], v [tokens, v_dim]. */
function attend(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  qk_dim: number,
  scale: number,
): Float32Array {
  const tokens = q.length / qk_dim;
  const v_dim = v.length / tokens;
  const out = new Float32Array(tokens * v_dim);
  for (let t = 0; t < tokens; t++) {
    const scores = Array.from({ length: t + 1 }, (_, n) => {
      let dot = 0;
      for (let i = 0; i < qk_dim; i++) dot += at(q, t * qk_dim + i) * at(k, n * qk_dim + i);
      return dot * scale;
    });
    const max = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((s) => Math.exp(s - max));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let i = 0; i < v_dim; i++) {
      out[t * v_dim + i] = weights.reduce((sum, w, n) => sum + w * at(v, n * v_dim + i), 0) / total;
    }
  }
  return out;
}

/** Heads [tokens, dim] each, side by side: [tokens, heads * dim]. */
function besides(heads: readonly Float32Array[], dim: number): Float32Array {
  const tokens = (heads[0]?.length ?? 0) / dim;
  const out = new Float32Array(tokens * heads.length * dim);
  heads.forEach((head, h) => {
    for (let t = 0; t < tokens; t++)
      out.set(head.subarray(t * dim, (t + 1) * dim), (t * heads.length + h) * dim);
  });
  return out;
}

function gqaHeads(
  config: ModelConfig,
  attn: GqaAttention,
  x: Float32Array,
  table: Float32Array,
): Float32Array {
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = config;
  const pairs = Array.from({ length: head_dim / 2 }, (_, f) => f);
  const q = linear(attn.q_proj, x);
  const k = linear(attn.k_proj, x);
  const v = linear(attn.v_proj, x);
  const turned = (y: Float32Array, width: number, head: number): Float32Array =>
    rotateRows(columns(y, width, head * head_dim, head_dim), head_dim, pairs, 0, table, pairs.length);
  return besides(
    Array.from({ length: heads }, (_, h) => {
      const g = Math.floor((h * groups) / heads);
      const values = columns(v, groups * head_dim, g * head_dim, head_dim);
      return attend(
        turned(q, heads * head_dim, h),
        turned(k, groups * head_dim, g),
        values,
        head_dim,
        head_dim ** -0.5,
      );
    }),
    head_dim,
  );
}

/** Per-head keys [embed_qᵀ content | rope] and values unembed_out x, then ordinary attention. */
function naiveHeads(
  config: ModelConfig,
  attn: MlaAttention,
  x: Float32Array,
  table: Float32Array,
): Float32Array {
  const { num_attention_heads: heads, head_dim } = config;
  const { qk_rope_head_dim, groups, rope_pairs } = attn;
  const frequencies = rotaryDim(config) / 2;
  const q = linear(attn.q_proj, x);
  const row = readLatentRows(attn, linear(attn.kv_a_proj, x), table, frequencies);
  const { content_dim, v_dim } = row;
  const qk_dim = content_dim + qk_rope_head_dim;
  const embed_q = unpack(attn.embed_q);
  const unembed_out = unpack(attn.unembed_out);
  const out_dim = attn.unembed_out.rows / groups;
  return besides(
    Array.from({ length: heads }, (_, h) => {
      const g = Math.floor((h * groups) / heads);
      const map = embed_q.subarray(g * qk_dim * head_dim, (g + 1) * qk_dim * head_dim);
      const query = columns(q, heads * head_dim, h * head_dim, head_dim);
      const q_pe = rotateRows(
        matmul(map.subarray(content_dim * head_dim), query, head_dim),
        qk_rope_head_dim,
        rope_pairs,
        0,
        table,
        frequencies,
      );
      const k_nope = matmul(
        transpose(map.subarray(0, content_dim * head_dim), head_dim),
        row.content,
        content_dim,
      );
      const scored = content_dim > 0;
      const key = scored ? beside(k_nope, head_dim, row.rope, qk_rope_head_dim) : row.rope;
      const asked = scored ? beside(query, head_dim, q_pe, qk_rope_head_dim) : q_pe;
      const out = unembed_out.subarray(g * out_dim * v_dim, (g + 1) * out_dim * v_dim);
      const values = matmul(out, row.values, v_dim);
      return attend(asked, key, values, (scored ? head_dim : 0) + qk_rope_head_dim, head_dim ** -0.5);
    }),
    out_dim,
  );
}

/** [n, cols] -> [cols, n] */
function transpose(matrix: Float32Array, cols: number): Float32Array {
  const rows = matrix.length / cols;
  return Float32Array.from(matrix, (_, i) => at(matrix, (i % rows) * cols + Math.floor(i / rows)));
}

/** Two matrices of as many rows, side by side. */
function beside(a: Float32Array, aDim: number, b: Float32Array, bDim: number): Float32Array {
  const out = new Float32Array(a.length + b.length);
  for (let t = 0; t < a.length / aDim; t++) {
    out.set(a.subarray(t * aDim, (t + 1) * aDim), t * (aDim + bDim));
    out.set(b.subarray(t * bDim, (t + 1) * bDim), t * (aDim + bDim) + aDim);
  }
  return out;
}

/** Attention over cache rows: strict by the twins of the kernels, the other forms from the rows as LatentForm defines them. */
function absorbedHeads(
  config: ModelConfig,
  attn: MlaAttention,
  x: Float32Array,
  table: Float32Array,
): Float32Array {
  const { num_attention_heads: heads, head_dim } = config;
  const { groups } = attn;
  const { qk_dim, v_dim } = latentShape(attn);
  const per = { num_heads: heads, heads_per_group: heads / groups };
  const q_latent = head_matmul(unpack(attn.embed_q), linear(attn.q_proj, x), {
    ...per,
    in_dim: head_dim,
    out_dim: qk_dim,
  });
  const latent =
    attn.latent === 'strict'
      ? strictLatent(config, attn, q_latent, x, table)
      : rebuiltLatent(config, attn, q_latent, x, table);
  const out_dim = attn.unembed_out.rows / groups;
  return head_matmul(unpack(attn.unembed_out), latent, { ...per, in_dim: v_dim, out_dim });
}

/** Σ p x_n of every head over rows whose rope key is rotated when stored: [tokens, heads * v_dim]. */
function strictLatent(
  config: ModelConfig,
  attn: MlaAttention,
  q_latent: Float32Array,
  x: Float32Array,
  table: Float32Array,
): Float32Array {
  const { num_attention_heads: heads, head_dim } = config;
  const { kv_lora_rank: r, qk_rope_head_dim, qk_offset } = attn;
  const { row_dim, qk_dim } = latentShape(attn);
  const tokens = x.length / config.hidden_size;
  const pairs = { dim: qk_rope_head_dim, pairs: attn.rope_pairs, table, frequencies: rotaryDim(config) / 2 };
  const cache = store_rows(
    new Float32Array(tokens * row_dim),
    linear(attn.kv_a_proj, x),
    0,
    { groups: 1, row_dim, max_len: tokens },
    { ...pairs, offset: r },
  );
  const shape = {
    groups: 1,
    heads_per_group: heads,
    row_dim,
    max_len: tokens,
    qk_offset,
    qk_dim,
    v_offset: 0,
    v_dim: r,
  };
  return attention_combine(
    [
      attention_partial(
        q_latent,
        cache,
        0,
        0,
        tokens,
        { ...shape, softmax_scale: head_dim ** -0.5 },
        { ...pairs, offset: r - qk_offset },
      ),
    ],
    r,
  );
}

/** Σ p x_n of every head over rows whose rope key is made when they are read: [tokens, heads * v_dim]. */
function rebuiltLatent(
  config: ModelConfig,
  attn: MlaAttention,
  q_latent: Float32Array,
  x: Float32Array,
  table: Float32Array,
): Float32Array {
  const { num_attention_heads: heads, head_dim } = config;
  const { qk_rope_head_dim, rope_pairs } = attn;
  const frequencies = rotaryDim(config) / 2;
  const row = readLatentRows(attn, linear(attn.kv_a_proj, x), table, frequencies);
  const qk_dim = row.content_dim + qk_rope_head_dim;
  const keys = beside(row.content, row.content_dim, row.rope, qk_rope_head_dim);
  return besides(
    Array.from({ length: heads }, (_, h) => {
      const query = columns(q_latent, heads * qk_dim, h * qk_dim, qk_dim);
      const asked = rotateRows(query, qk_dim, rope_pairs, row.content_dim, table, frequencies);
      return attend(asked, keys, row.values, qk_dim, head_dim ** -0.5);
    }),
    row.v_dim,
  );
}
