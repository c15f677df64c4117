// error[t] = x[t] - wanted[t], 0 for tokens behind the step's; sums[t] += (Σ_i error[t, i]², Σ_i wanted[t, i]²)
//   x, error  [max_tokens, dim]            f32
//   wanted    [max_tokens, wanted_stride]  f32
//   sums      [max_tokens, 2]              f32
// One workgroup a token.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> wanted: array<f32>;
@group(0) @binding(2) var<storage, read_write> error: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec2f>;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let inside = id.x < step.num_tokens;
  var squares = vec2f(0.0);
  for (var i = lane; i < dim; i += WORKGROUP_SIZE) {
    let want = wanted[id.x * wanted_stride + i];
    let difference = select(0.0, x[id.x * dim + i] - want, inside);
    error[id.x * dim + i] = difference;
    squares += vec2f(difference * difference, select(0.0, want * want, inside));
  }
  let total = vec2f(reduce_sum(lane, squares.x), reduce_sum(lane, squares.y));
  if (lane == 0u) {
    sums[id.x] += total;
  }
}
