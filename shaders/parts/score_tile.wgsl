// Scores of 64 queries against 64 keys of one head, for kernels that look at whole rows of attention (GQA, a fresh sequence,
// 256 threads). Thread (ty, tx) gets queries ty + 16 r against keys tx + 16 c as [r][c]. Queries are rotated and scaled here,
// keys lie rotated in the cache. Behind the last token the last is read again: the body masks. Part scores says how; q_tile and k_tile
// are free for the body's use between calls.
const QUADS = head_dim / 4u;
const HALF = head_dim / 8u;
const MASKED = -1e30;

var<workgroup> q_tile: array<vec4f, 256>; // [quad of the turn, query]
var<workgroup> k_tile: array<vec4f, 256>;

fn load_query(head: u32, query: u32, quad: u32) -> vec4f {
  let base = (query * q_stride + q_offset + head * head_dim) / 4u;
  let second_half = quad >= HALF;
  let partner = q[base + select(quad + HALF, quad - HALF, second_half)];
  let pair = select(quad, quad - HALF, second_half) * 4u;
  return rotate4(query, pair, q[base + quad], partner, second_half) * softmax_scale;
}
