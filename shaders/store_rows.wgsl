// cache[group, position + t] = row of token t, its rope region rotated to position + t (rope_dim 0: kept for the reader).
//   kv          [num_tokens, kv_stride]            f32; the first split_dim values of group g's row come from
//                                                  first_offset + g * split_dim, the rest from second_offset + g * its length:
//                                                  GQA [k | v], MLA [c_kv | k_pe], each as the projections leave them
//   cache       [groups, max_len, row]             part: store
//               The rope region lies in one of the two.
//   rope_pairs  [rope_dim / 2]                     u32: frequency of each pair
//   rope_table  [max_len, rope_frequencies]        (cos, sin)
// One thread for BLOCK quads (4 values) of one of the two regions: as many as share a step where the cache is quantised.
@group(0) @binding(0) var<storage, read> kv: array<vec4f>;
@group(0) @binding(1) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(2) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> cache: array<cache_unit>;
@group(0) @binding(4) var<uniform> step: Step;

const HALF = rope_dim / 8u; // quads in half of the rope region
const ROPE_START = rope_offset / 4u;
const SPLIT_QUADS = split_dim / 4u;
const ROW_QUADS = row_dim / 4u;
const FIRST_BLOCKS = (SPLIT_QUADS + BLOCK - 1u) / BLOCK;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let in_second = id.x >= FIRST_BLOCKS;
  let first = select(id.x * BLOCK, SPLIT_QUADS + (id.x - FIRST_BLOCKS) * BLOCK, in_second);
  if (first >= ROW_QUADS) {
    return;
  }
  let end = min(first + BLOCK, select(SPLIT_QUADS, ROW_QUADS, in_second));
  store_block(id.z, id.y, step.position + id.z, first, end);
}

// 4 values of a token's row, rotated where they belong to the rope region.
fn row_quad(t: u32, group: u32, position: u32, quad: u32) -> vec4f {
  var base = (t * kv_stride + first_offset + group * split_dim) / 4u;
  if (quad >= SPLIT_QUADS) {
    base = (t * kv_stride + second_offset + group * (row_dim - split_dim) - split_dim) / 4u;
  }
  let value = kv[base + quad];
  if (quad < ROPE_START || quad >= ROPE_START + 2u * HALF) {
    return value;
  }
  let within = quad - ROPE_START;
  let second_half = within >= HALF;
  let partner = kv[base + select(quad + HALF, quad - HALF, second_half)];
  return rotate4(position, select(within, within - HALF, second_half) * 4u, value, partner, second_half);
}
