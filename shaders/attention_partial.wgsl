// o[t, h] = Σ_n softmax_n(scale · q[t, h] · K[g, n]) V[g, n] over cache rows n <= position + t, g the group of head h.
// One family for GQA, grouped latents and MLA: K and V are two views of the same cache row, which every head of a group
// shares. GQA: a row is [k | v]. MLA: a row is [c_kv | k_pe], K the whole of it or a part, V its first kv_lora_rank values.
//   q        [num_tokens, q_stride]      f32; head h begins at q_offset + h * qk_dim; rotated here
//   cache    [groups, max_len, row_dim]  part: cache. K = row[qk_offset ..][qk_dim], V = row[v_offset ..][v_dim]
//   out      [num_tokens, out_stride]    f32, [head, v_dim]; written when there is one split
//   partials [num_splits, num_tokens, num_heads, v_dim + 4]  f32: Σ p V, then max and Σ p; for attention_combine
// One workgroup: one split of the rows, one group, ROWS of the group's (token, head) pairs. Each thread scores one cache row
// against all ROWS queries, then the threads share out the ROWS x v_dim sums. Softmax is online (arXiv 2205.14135).
const KEYS = 64u; // threads, and cache rows a turn
const QK_QUADS = qk_dim / 4u;
const V_QUADS = v_dim / 4u;
const ITEMS = (ROWS * V_QUADS + KEYS - 1u) / KEYS; // accumulators a thread
const HALF = rope_dim / 8u;
const ROPE_START = rope_offset / 4u;
const MASKED = -1e30; // WGSL may assume that infinities do not arise
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> cache: array<cache_unit>;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(3) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

var<workgroup> q_tile: array<vec4f, ROWS * QK_QUADS>;
var<workgroup> p_tile: array<f32, ROWS * KEYS>;
var<workgroup> row_max: array<f32, ROWS>;
var<workgroup> row_sum: array<f32, ROWS>;
var<workgroup> row_rescale: array<f32, ROWS>;

@compute @workgroup_size(KEYS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let split = id.x;
  let group = id.y;
  let first_row = id.z * ROWS;
  let total_rows = step.num_tokens * heads_per_group;
  let last_token = (min(first_row + ROWS, total_rows) - 1u) / heads_per_group;
  let start = split * step.split_len;
  let end = min(start + step.split_len, step.position + last_token + 1u);

  for (var i = lane; i < ROWS * QK_QUADS; i += KEYS) {
    q_tile[i] = load_query(group, first_row + i / QK_QUADS, i % QK_QUADS, total_rows);
  }
  if (lane < ROWS) {
    row_max[lane] = MASKED;
    row_sum[lane] = 0.0;
  }
  var sums: array<vec4f, ITEMS>;
  workgroupBarrier();

  for (var first_key = start; first_key < end; first_key += KEYS) {
    let key = first_key + lane;
    let key_base = (group * max_len + min(key, end - 1u)) * (row_dim / 4u) + qk_offset / 4u;
    var scores = array<f32, ROWS>(); // written out: SwiftShader keeps the last turn's values without it
    for (var quad = 0u; quad < QK_QUADS; quad++) {
      let k = decode_cache(cache[key_base + quad]);
      for (var r = 0u; r < ROWS; r++) {
        scores[r] += dot(q_tile[r * QK_QUADS + quad], k);
      }
    }
    for (var r = 0u; r < ROWS; r++) {
      let visible = key < end && key <= step.position + (first_row + r) / heads_per_group;
      p_tile[r * KEYS + lane] = select(MASKED, scores[r], visible);
    }
    workgroupBarrier();
    if (lane < ROWS) {
      var highest = row_max[lane];
      for (var k = 0u; k < KEYS; k++) {
        highest = max(highest, p_tile[lane * KEYS + k]);
      }
      row_rescale[lane] = exp(row_max[lane] - highest);
      row_max[lane] = highest;
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
      let score = p_tile[r * KEYS + lane];
      p_tile[r * KEYS + lane] = select(0.0, exp(score - row_max[r]), score > MASKED);
    }
    workgroupBarrier();
    if (lane < ROWS) {
      var sum = row_sum[lane] * row_rescale[lane];
      for (var k = 0u; k < KEYS; k++) {
        sum += p_tile[lane * KEYS + k];
      }
      row_sum[lane] = sum;
    }
    let keys = min(KEYS, end - first_key);
    let value_base = (group * max_len + first_key) * (row_dim / 4u) + v_offset / 4u;
    for (var i = 0u; i < ITEMS; i++) {
      let item = min(i * KEYS + lane, ROWS * V_QUADS - 1u);
      let r = item / V_QUADS;
      var sum = sums[i] * row_rescale[r];
      for (var k = 0u; k < keys; k++) {
        sum += p_tile[r * KEYS + k] * decode_cache(cache[value_base + k * (row_dim / 4u) + item % V_QUADS]);
      }
      sums[i] = sum;
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < ITEMS; i++) {
    let item = i * KEYS + lane;
    let r = item / V_QUADS;
    if (item < ROWS * V_QUADS && first_row + r < total_rows) {
      write_sum(split, group, first_row + r, item % V_QUADS, sums[i], row_max[r], row_sum[r]);
    }
  }
}

// One quad of a query row, rotated to its token's position and scaled.
fn load_query(group: u32, row: u32, quad: u32, total_rows: u32) -> vec4f {
  if (row >= total_rows) {
    return vec4f(0.0);
  }
  let t = row / heads_per_group;
  let head = group * heads_per_group + row % heads_per_group;
  let base = (t * q_stride + q_offset + head * qk_dim) / 4u;
  var value = q[base + quad];
  if (quad >= ROPE_START && quad < ROPE_START + 2u * HALF) {
    let within = quad - ROPE_START;
    let second_half = within >= HALF;
    let partner = q[base + select(quad + HALF, quad - HALF, second_half)];
    let pair = select(within, within - HALF, second_half) * 4u;
    value = rotate4(step.position + t, pair, value, partner, second_half);
  }
  return value * softmax_scale;
}

fn write_sum(split: u32, group: u32, row: u32, quad: u32, sum: vec4f, highest: f32, total: f32) {
  let t = row / heads_per_group;
  let head = group * heads_per_group + row % heads_per_group;
  if (step.num_splits == 1u) {
    out[t * (out_stride / 4u) + head * V_QUADS + quad] = sum / total;
    return;
  }
  let base = ((split * step.num_tokens + t) * num_heads + head) * (V_QUADS + 1u);
  partials[base + quad] = sum;
  if (quad == 0u) {
    partials[base + V_QUADS] = vec4f(highest, total, 0.0, 0.0);
  }
}
