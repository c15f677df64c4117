// int8 groups of rows of activations: q = round(x / s), s = max |x| / 127 over a group of 32; `normed`: of RMSNorm(x).
//   x       [num_tokens, in_groups, 8]  f32, vec4; padded with zeros behind in_dim
//   quants  [num_tokens, in_groups, 8]  4 int8 in a u32
//   steps   [num_tokens, in_groups]     f32: s and s Σ q
// A workgroup makes 32 groups of one token, a thread 4 values; with a norm it reads the whole row first.
const WORKGROUP_SIZE = 256u;
const QUADS = in_groups * 8u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> norm_weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> quants: array<u32>;
@group(0) @binding(3) var<storage, read_write> steps: array<vec2f>;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = id.y * QUADS;
  let quad = id.x * WORKGROUP_SIZE + lane;
  var value = vec4f(0.0);
  if (quad < QUADS) {
    value = x[base + quad];
  }
  if (normed) {
    var sum = 0.0;
    for (var i = lane; i < QUADS; i += WORKGROUP_SIZE) {
      sum += dot(x[base + i], x[base + i]);
    }
    value *= norm_weight[min(quad, QUADS - 1u)] * inverseSqrt(reduce_sum(lane, sum) / f32(in_dim) + rms_norm_eps);
  }
  let size = abs(value);
  values[lane] = max(max(size.x, size.y), max(size.z, size.w));
  workgroupBarrier();
  let first = lane / 8u * 8u;
  var largest = 0.0;
  for (var i = 0u; i < 8u; i++) {
    largest = max(largest, values[first + i]);
  }
  workgroupBarrier();
  let q = vec4i(round(value * select(0.0, 127.0 / largest, largest > 0.0)));
  values[lane] = f32(q.x + q.y + q.z + q.w);
  workgroupBarrier();
  if (quad < QUADS) {
    quants[base + quad] = pack4xI8(q);
    if (quad % 8u == 0u) {
      var sum = 0.0;
      for (var i = 0u; i < 8u; i++) {
        sum += values[lane + i];
      }
      let s = largest / 127.0;
      steps[(base + quad) / 8u] = vec2f(s, s * sum);
    }
  }
}
