// Scores of 64 queries against 64 keys of one head, for kernels that look at whole rows of attention (GQA, a fresh sequence,
// 256 threads). Thread (ty, tx) gets queries ty + 16 r against keys tx + 16 c as [r][c]. Queries are rotated and scaled here,
// keys lie rotated in the cache. Behind the last token the last is read again: the body masks. 16 dims a turn; q_tile and
// k_tile are free for the body's use between calls.
const QUADS = head_dim / 4u;
const HALF = head_dim / 8u;
const MASKED = -1e30;

var<workgroup> q_tile: array<vec4f, 256>; // [quad of the turn, query]
var<workgroup> k_tile: array<vec4f, 256>;

fn score_tile(head: u32, first_query: u32, first_key: u32, lane: u32) -> mat4x4f {
  let tx = lane % 16u;
  let ty = lane / 16u;
  let row = lane % 64u;
  let last = step.num_tokens - 1u;
  let key = min(first_key + row, last);
  let query = min(first_query + row, last);
  let group = head / heads_per_group;
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var turn = 0u; turn < QUADS; turn += 4u) {
    let quad = turn + lane / 64u;
    var q4 = vec4f(0.0);
    var k4 = vec4f(0.0);
    if (quad < QUADS) {
      q4 = load_query(head, query, quad);
      k4 = cache[(group * max_len + key) * (row_dim / 4u) + quad];
    }
    workgroupBarrier();
    q_tile[lane] = q4;
    k_tile[lane] = k4;
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
      let base = i * 64u;
      // Rows are keys: K q is then a column of 4 scores.
      let keys = transpose(mat4x4f(k_tile[base + tx], k_tile[base + tx + 16u], k_tile[base + tx + 32u], k_tile[base + tx + 48u]));
      s0 += keys * q_tile[base + ty];
      s1 += keys * q_tile[base + ty + 16u];
      s2 += keys * q_tile[base + ty + 32u];
      s3 += keys * q_tile[base + ty + 48u];
    }
  }
  workgroupBarrier();
  return mat4x4f(s0, s1, s2, s3);
}

fn load_query(head: u32, query: u32, quad: u32) -> vec4f {
  let base = (query * q_stride + q_offset + head * head_dim) / 4u;
  let second_half = quad >= HALF;
  let partner = q[base + select(quad + HALF, quad - HALF, second_half)];
  let pair = select(quad, quad - HALF, second_half) * 4u;
  return rotate4(query, pair, q[base + quad], partner, second_half) * softmax_scale;
}
