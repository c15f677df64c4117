// What all kernels of attention have: bindings, places within rows and queries in quads, where queries come from and sums go.
const QK_QUADS = qk_dim / 4u;
const V_QUADS = v_dim / 4u;
const K_START = qk_offset / 4u; // K and V within the (staged) row
const V_START = v_offset / 4u;
const ROW_QUADS = row_dim / 4u;
const HALF = rope_dim / 8u;
const ROPE_START = rope_offset / 4u; // within a query
const KEY_ROPE = key_rope_offset / 4u; // within the cache row
const MASKED = -1e30; // WGSL may assume that infinities do not arise
const UNTURNED = 0xffffffffu; // turned_pair: this quad of the staged row is not rotated
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> cache: array<cache_unit>;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(3) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(4) var<storage, read> rope_map: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(7) var<storage, read> kv: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

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

fn write_sum(split: u32, group: u32, row: u32, quad: u32, sum: vec4f, highest: f32, total: f32, total_rows: u32) {
  if (row >= total_rows) {
    return;
  }
  let t = row / heads_per_group;
  let head = group * heads_per_group + row % heads_per_group;
  if (step.num_splits == 1u && !keeps_partials) {
    out[t * (out_stride / 4u) + head * V_QUADS + quad] = sum / total;
    return;
  }
  let base = ((split * step.num_tokens + t) * num_heads + head) * (V_QUADS + 1u);
  partials[base + quad] = sum;
  if (quad == 0u) {
    partials[base + V_QUADS] = vec4f(highest, total, 0.0, 0.0);
  }
}
