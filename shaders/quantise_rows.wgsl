// int8 groups of rows of activations: q = round(x / s), s = max |x| / 127 over a group of 32; x may be normed first.
//   x       [num_tokens, in_groups, 8]  f32, vec4; padded with zeros behind in_dim        part: input (plain, rms_norm)
//   quants  [num_tokens, in_groups, 8]  4 int8 in a u32
//   steps   [num_tokens, in_groups]     f32: s and s Σ q
// A workgroup makes 32 groups of one token, a thread 4 values; with a norm it reads the whole row first.
const THREADS = 256u;
const QUADS = in_groups * 8u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> norm_weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> quants: array<u32>;
@group(0) @binding(3) var<storage, read_write> steps: array<vec2f>;

var<workgroup> shared_values: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = id.y * QUADS;
  let quad = id.x * THREADS + lane;
  var value = vec4f(0.0);
  if (quad < QUADS) {
    value = x[base + quad];
  }
  if (normed) {
    var sum = 0.0;
    for (var i = lane; i < QUADS; i += THREADS) {
      sum += dot(x[base + i], x[base + i]);
    }
    value *= norm_weight[min(quad, QUADS - 1u)] * inverseSqrt(add_up(lane, sum) / f32(in_dim) + rms_norm_eps);
  }
  let size = abs(value);
  shared_values[lane] = max(max(size.x, size.y), max(size.z, size.w));
  workgroupBarrier();
  let first = lane / 8u * 8u;
  var largest = 0.0;
  for (var i = 0u; i < 8u; i++) {
    largest = max(largest, shared_values[first + i]);
  }
  workgroupBarrier();
  let q = vec4i(round(value * select(0.0, 127.0 / largest, largest > 0.0)));
  shared_values[lane] = f32(q.x + q.y + q.z + q.w);
  workgroupBarrier();
  if (quad < QUADS) {
    quants[base + quad] = pack4xI8(q);
    if (quad % 8u == 0u) {
      var sum = 0.0;
      for (var i = 0u; i < 8u; i++) {
        sum += shared_values[lane + i];
      }
      let s = largest / 127.0;
      steps[(base + quad) / 8u] = vec2f(s, s * sum);
    }
  }
}

// Over all threads: 16 neighbours first, then the 16 sums.
fn add_up(lane: u32, value: f32) -> f32 {
  shared_values[lane] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < 16u; i++) {
    sum += shared_values[lane / 16u * 16u + i];
  }
  workgroupBarrier();
  if (lane % 16u == 0u) {
    shared_values[lane] = sum;
  }
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < 16u; i++) {
    total += shared_values[i * 16u];
  }
  workgroupBarrier();
  return total;
}
