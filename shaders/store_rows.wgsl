// cache[group, position + t] = row of token t, its rope region rotated to position + t (rope_dim 0: kept for the reader).
//   kv          [num_tokens, kv_stride]            f32; the first split_dim values of group g's row come from
//                                                  first_offset + g * split_dim, the rest from second_offset + g * its length:
//                                                  GQA [k | v], MLA [c_kv | k_pe], each as the projections leave them
//   cache       [groups, max_len, row]             part: cache
//               The rope region lies in one of the two.
//   rope_pairs  [rope_dim / 2]                     u32: frequency of each pair
//   rope_table  [max_len, rope_frequencies]        (cos, sin)
// One thread for BLOCK quads (4 values) of one of the two regions: as many as share a step where the cache is quantised.
// Prefill; in decode attention_partial stores the row.
@group(0) @binding(0) var<storage, read> kv: array<vec4f>;
@group(0) @binding(1) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(2) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> cache: array<cache_unit>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ROW_BLOCKS) {
    store_row_block(id.z, id.y, step.position + id.z, id.x);
  }
}
