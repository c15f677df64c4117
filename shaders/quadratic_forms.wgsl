// out[t, h] = x[t, g]ᵀ S_h x[t, g], g = h / share: |W v|² for S = Wᵀ W, without the wide W.
//   x      [num_tokens, x_stride]     f32; vector g begins at x_offset + g * dim
//   forms  [num_heads, dim, dim]      f32, symmetric
//   out    [num_tokens, num_heads]    f32
// One workgroup: 16 tokens of one head. A thread takes every 64th row of S against all 16 tokens, which lie in workgroup
// memory; then 4 threads add up the 64 partial sums of 4 tokens each.
const THREADS = 64u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> forms: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

var<workgroup> x_tile: array<vec4f, dim * 4u>; // [dim, 16 tokens]
var<workgroup> partial: array<vec4f, THREADS * 4u>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = id.x * 16u;
  let head = id.y;
  for (var i = lane; i < dim * 4u; i += THREADS) {
    let element = i % dim;
    let block = i / dim;
    var values = vec4f(0.0);
    for (var k = 0u; k < min(4u, step.num_tokens); k++) {
      let t = min(first + block * 4u + k, step.num_tokens - 1u);
      values[k] = x[t * x_stride + x_offset + head / share * dim + element];
    }
    x_tile[element * 4u + block] = values;
  }
  workgroupBarrier();
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var row = lane; row < dim; row += THREADS) {
    var y0 = vec4f(0.0);
    var y1 = vec4f(0.0);
    var y2 = vec4f(0.0);
    var y3 = vec4f(0.0);
    for (var column = 0u; column < dim; column++) {
      let s = forms[(head * dim + column) * dim + row]; // symmetric: neighbours read neighbours
      y0 += s * x_tile[column * 4u];
      y1 += s * x_tile[column * 4u + 1u];
      y2 += s * x_tile[column * 4u + 2u];
      y3 += s * x_tile[column * 4u + 3u];
    }
    sum0 += y0 * x_tile[row * 4u];
    sum1 += y1 * x_tile[row * 4u + 1u];
    sum2 += y2 * x_tile[row * 4u + 2u];
    sum3 += y3 * x_tile[row * 4u + 3u];
  }
  partial[lane * 4u] = sum0;
  partial[lane * 4u + 1u] = sum1;
  partial[lane * 4u + 2u] = sum2;
  partial[lane * 4u + 3u] = sum3;
  workgroupBarrier();
  if (lane < 4u) {
    var total = vec4f(0.0);
    for (var i = 0u; i < THREADS; i++) {
      total += partial[i * 4u + lane];
    }
    for (var i = 0u; i < min(4u, step.num_tokens - min(step.num_tokens, first + lane * 4u)); i++) {
      out[(first + lane * 4u + i) * num_heads + head] = total[i];
    }
  }
}
