// Of every query and head: log Σ_n e^s (of which others make p again), and how far the values scatter round the output,
//   a[t, h] = Σ_n p_tn |W_O,h (v_n - o_t)|² = Σ_n p_tn u[n, h] - z[t, h],  not below 0         (research/lab, `layer_stats`)
//   q             [num_tokens, q_stride]           f32; head h at q_offset + h * head_dim, not rotated
//   cache         [groups, max_len, row_dim]       f32; a row begins with its key, rotated; positions 0 .. num_tokens
//   value_forms   [num_tokens, num_heads]          f32: u = |W_O,h v_n|²
//   output_forms  [num_tokens, num_heads]          f32: z = |W_O,h o_t|²
//   lse, spread   [num_tokens, num_heads]          f32
// One workgroup: 64 queries of one head, walking over the keys 64 at a time (part score_tile). A thread keeps maximum and
// sums of its own 16 scores a turn, and the 16 threads of a query join them at the end.
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> cache: array<vec4f>;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(3) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(4) var<storage, read> value_forms: array<f32>;
@group(0) @binding(5) var<storage, read> output_forms: array<f32>;
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;
@group(0) @binding(7) var<storage, read_write> spread: array<f32>;
@group(0) @binding(8) var<uniform> step: Step;

// highest score, Σ e^(s - highest), Σ e^(s - highest) u
struct Sums {
  highest: f32,
  total: f32,
  value: f32,
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = id.x;
  let first_query = id.y * 64u;
  let tx = lane % 16u;
  let query = first_query + lane / 16u;
  var sums0 = Sums(MASKED, 0.0, 0.0);
  var sums1 = Sums(MASKED, 0.0, 0.0);
  var sums2 = Sums(MASKED, 0.0, 0.0);
  var sums3 = Sums(MASKED, 0.0, 0.0);
  let end = min(first_query + 64u, step.num_tokens);
  for (var first_key = 0u; first_key < end; first_key += 64u) {
    let scores = score_tile(head, first_query, first_key, lane);
    let keys = vec4u(first_key + tx) + vec4u(0u, 16u, 32u, 48u);
    let source = min(keys, vec4u(step.num_tokens - 1u)) * num_heads + head;
    let u = vec4f(value_forms[source.x], value_forms[source.y], value_forms[source.z], value_forms[source.w]);
    sums0 = fold(sums0, scores[0], keys, query, u);
    sums1 = fold(sums1, scores[1], keys, query + 16u, u);
    sums2 = fold(sums2, scores[2], keys, query + 32u, u);
    sums3 = fold(sums3, scores[3], keys, query + 48u, u);
  }
  finish(sums0, head, query, lane);
  finish(sums1, head, query + 16u, lane);
  finish(sums2, head, query + 32u, lane);
  finish(sums3, head, query + 48u, lane);
}

fn fold(sums: Sums, scores: vec4f, keys: vec4u, query: u32, u: vec4f) -> Sums {
  let visible = keys <= vec4u(query);
  let s = select(vec4f(MASKED), scores, visible);
  let highest = max(sums.highest, max(max(s.x, s.y), max(s.z, s.w)));
  let rescale = exp(sums.highest - highest);
  let p = select(vec4f(0.0), exp(s - highest), visible);
  return Sums(highest, sums.total * rescale + dot(p, vec4f(1.0)), sums.value * rescale + dot(p, u));
}

// Joins the 16 threads of a query, through the tile of queries.
fn finish(sums: Sums, head: u32, query: u32, lane: u32) {
  q_tile[lane] = vec4f(sums.highest, sums.total, sums.value, 0.0);
  workgroupBarrier();
  if (lane % 16u == 0u && query < step.num_tokens) {
    var highest = MASKED;
    for (var i = 0u; i < 16u; i++) {
      highest = max(highest, q_tile[lane + i].x);
    }
    var total = 0.0;
    var value = 0.0;
    for (var i = 0u; i < 16u; i++) {
      let one = q_tile[lane + i];
      let rescale = exp(one.x - highest);
      total += one.y * rescale;
      value += one.z * rescale;
    }
    let at = query * num_heads + head;
    lse[at] = highest + log(total);
    spread[at] = max(0.0, value / total - output_forms[at]);
  }
  workgroupBarrier();
}
