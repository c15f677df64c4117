// cache[group, position + t] = row of token t, its rope region rotated to position + t.
//   kv          [num_tokens, kv_stride]            f32; the first split_dim values of group g's row come from
//                                                  first_offset + g * split_dim, the rest from second_offset + g * its length:
//                                                  GQA [k | v], MLA [c_kv | k_pe], each as the projections leave them
//   cache       [groups, max_len, row_dim]         part: cache
//               The rope region lies in one of the two.
//   rope_pairs  [rope_dim / 2]                     u32: frequency of each pair
//   rope_table  [max_len, rope_frequencies]        (cos, sin)
// One thread for 4 elements of a row.
@group(0) @binding(0) var<storage, read> kv: array<vec4f>;
@group(0) @binding(1) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(2) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> cache: array<cache_unit>;
@group(0) @binding(4) var<uniform> step: Step;

const HALF = rope_dim / 8u; // quads in half of the rope region
const ROPE_START = rope_offset / 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let quad = id.x;
  let group = id.y;
  let t = id.z;
  if (quad >= row_dim / 4u) {
    return;
  }
  let position = step.position + t;
  let token_base = t * kv_stride;
  var base = (token_base + first_offset + group * split_dim) / 4u;
  if (quad >= split_dim / 4u) {
    base = (token_base + second_offset + group * (row_dim - split_dim) - split_dim) / 4u;
  }
  var value = kv[base + quad];
  if (quad >= ROPE_START && quad < ROPE_START + 2u * HALF) {
    let within = quad - ROPE_START;
    let second_half = within >= HALF;
    let partner = kv[base + select(quad + HALF, quad - HALF, second_half)];
    value = rotate4(position, select(within, within - HALF, second_half) * 4u, value, partner, second_half);
  }
  cache[(group * max_len + position) * (row_dim / 4u) + quad] = encode_cache(value);
}
