// In place: row t of every head becomes e^s / Σ_{n <= t} e^s for n <= t, and 0 behind t (what lies there before is not read).
//   scores  [heads, row_tokens, row_tokens]  f32
// One workgroup a row.
@group(0) @binding(0) var<storage, read_write> scores: array<f32>;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = (id.y * row_tokens + id.x) * row_tokens;
  var highest = -3.4e38;
  for (var n = lane; n <= id.x; n += WORKGROUP_SIZE) {
    highest = max(highest, scores[base + n]);
  }
  highest = reduce_max(lane, highest);
  var total = 0.0;
  for (var n = lane; n <= id.x; n += WORKGROUP_SIZE) {
    total += exp(scores[base + n] - highest);
  }
  total = reduce_sum(lane, total);
  for (var n = lane; n < row_tokens; n += WORKGROUP_SIZE) {
    var p = 0.0;
    if (n <= id.x) {
      p = exp(scores[base + n] - highest) / total;
    }
    scores[base + n] = p;
  }
}
