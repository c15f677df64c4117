// Where attention goes, in pieces: of 64 queries (tile i) against 64 keys (tile j <= i) of a group's heads h,
//   received_parts [groups, TILES, TILES * 64]      f32: [g, i, n] = Σ_h Σ_t p_tn²            over the queries t of tile i
//   distance_parts [groups, TILES, TILES, 128]      f32: [g, i, j, D] = Σ_h Σ p_tn a[t, h]    over t - n = 64 (i - j) + D - 63
// for reach_sums to add up: WGSL has no atomic floats, and sums in a fixed order are the same on every run.
//   q, cache                                        as in attention_spread
//   lse, spread    [num_tokens, num_heads]          f32, by attention_spread: p = e^(s - lse), a
// One workgroup: one pair of tiles, all heads of a group (part score_tile). A thread's 4 x 4 scores lie 16 apart, so they fall
// on 7 diagonals, whose sums it keeps in registers.
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> cache: array<vec4f>;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(3) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> spread: array<f32>;
@group(0) @binding(6) var<storage, read_write> received_parts: array<f32>;
@group(0) @binding(7) var<storage, read_write> distance_parts: array<f32>;
@group(0) @binding(8) var<uniform> step: Step;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = id.x;
  let j = id.y;
  let group = id.z;
  if (j > i) {
    return;
  }
  let tx = lane % 16u;
  let query = i * 64u + lane / 16u;
  let keys = vec4u(j * 64u + tx) + vec4u(0u, 16u, 32u, 48u);
  var squares = vec4f(0.0);
  var near = vec4f(0.0); // Σ p a where r - c = 0, 1, 2, 3
  var far = vec4f(0.0); // where r - c = -1, -2, -3
  for (var head = group * heads_per_group; head < (group + 1u) * heads_per_group; head++) {
    let scores = score_tile(head, i * 64u, j * 64u, lane);
    let p0 = probabilities(scores[0], keys, query, head);
    let p1 = probabilities(scores[1], keys, query + 16u, head);
    let p2 = probabilities(scores[2], keys, query + 32u, head);
    let p3 = probabilities(scores[3], keys, query + 48u, head);
    squares += p0 * p0 + p1 * p1 + p2 * p2 + p3 * p3;
    let w0 = p0 * spread_at(query, head);
    let w1 = p1 * spread_at(query + 16u, head);
    let w2 = p2 * spread_at(query + 32u, head);
    let w3 = p3 * spread_at(query + 48u, head);
    near += vec4f(w0.x + w1.y + w2.z + w3.w, w1.x + w2.y + w3.z, w2.x + w3.y, w3.x);
    far += vec4f(w0.y + w1.z + w2.w, w0.z + w1.w, w0.w, 0.0);
  }
  q_tile[lane] = squares;
  workgroupBarrier();
  if (lane < 16u) {
    var sum = vec4f(0.0);
    for (var row = 0u; row < 16u; row++) {
      sum += q_tile[row * 16u + lane];
    }
    let base = (group * TILES + i) * (TILES * 64u) + keys.x;
    received_parts[base] = sum.x;
    received_parts[base + 16u] = sum.y;
    received_parts[base + 32u] = sum.z;
    received_parts[base + 48u] = sum.w;
  }
  workgroupBarrier();
  q_tile[lane] = near;
  k_tile[lane] = far;
  workgroupBarrier();
  if (lane < 128u) {
    // D - 63 = (ty - tx) + 16 (r - c), |ty - tx| < 16: at most two values of r - c.
    var sum = 0.0;
    for (var e = 0u; e < 7u; e++) {
      let shift = i32(lane) - 63 - 16 * (i32(e) - 3);
      for (var x = max(0, -shift); x < min(16, 16 - shift); x++) {
        let source = u32((x + shift) * 16 + x);
        sum += select(k_tile[source][2u - min(e, 2u)], q_tile[source][max(e, 3u) - 3u], e >= 3u);
      }
    }
    distance_parts[((group * TILES + i) * TILES + j) * 128u + lane] = sum;
  }
}

fn probabilities(scores: vec4f, keys: vec4u, query: u32, head: u32) -> vec4f {
  let at = min(query, step.num_tokens - 1u) * num_heads + head;
  let visible = (keys <= vec4u(query)) & vec4<bool>(query < step.num_tokens);
  return select(vec4f(0.0), exp(min(scores - lse[at], vec4f(0.0))), visible);
}

fn spread_at(query: u32, head: u32) -> f32 {
  return spread[min(query, step.num_tokens - 1u) * num_heads + head];
}
