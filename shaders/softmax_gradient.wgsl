// In place, from the gradient by probabilities to that by scores: g[t, n] = p[t, n] (g[t, n] - Σ_{i <= t} p[t, i] g[t, i]), and 0
// for n > t (what lies there before is not read).
//   probabilities, gradient  [heads, row_tokens, row_tokens]  f32
// One workgroup a row.
@group(0) @binding(0) var<storage, read> probabilities: array<f32>;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = (id.y * row_tokens + id.x) * row_tokens;
  var sum = 0.0;
  for (var n = lane; n <= id.x; n += WORKGROUP_SIZE) {
    sum += probabilities[base + n] * gradient[base + n];
  }
  let mean = reduce_sum(lane, sum);
  for (var n = lane; n < row_tokens; n += WORKGROUP_SIZE) {
    var value = 0.0;
    if (n <= id.x) {
      value = probabilities[base + n] * (gradient[base + n] - mean);
    }
    gradient[base + n] = value;
  }
}
