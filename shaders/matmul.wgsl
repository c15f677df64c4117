// Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n], for all tokens of the step; residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]         part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]    f32
//   out     [num_tokens, out_stride]  f32                   part: output (store, residual, swiglu)
// One thread makes 8 tokens x 4 rows in registers, so that each decoded weight is used 8 times; the threads of a workgroup take
// different rows of the same tokens, so that x comes from the cache as a broadcast. No workgroup memory, no barriers.
const WORKGROUP_SIZE = 32u;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.x * WORKGROUP_SIZE + local) * 4u;
  let token = group.y * 8u;
  if (row >= out_dim) {
    return;
  }
  // Behind the last row and token the last is computed again, and not written.
  let last_row = out_dim - 1u;
  let row1 = min(row + 1u, last_row);
  let row2 = min(row + 2u, last_row);
  let row3 = min(row + 3u, last_row);
  let last_token = step.num_tokens - 1u;
  let pitch = x_stride / 4u;
  let x0 = token * pitch;
  let x1 = min(token + 1u, last_token) * pitch;
  let x2 = min(token + 2u, last_token) * pitch;
  let x3 = min(token + 3u, last_token) * pitch;
  let x4 = min(token + 4u, last_token) * pitch;
  let x5 = min(token + 5u, last_token) * pitch;
  let x6 = min(token + 6u, last_token) * pitch;
  let x7 = min(token + 7u, last_token) * pitch;
  var y0 = vec4f(0.0);
  var y1 = vec4f(0.0);
  var y2 = vec4f(0.0);
  var y3 = vec4f(0.0);
  var y4 = vec4f(0.0);
  var y5 = vec4f(0.0);
  var y6 = vec4f(0.0);
  var y7 = vec4f(0.0);
  for (var quad = 0u; quad < in_groups * 8u; quad++) {
    // Columns are the k of the quad: W x is then a sum of columns.
    let w = transpose(mat4x4f(load_weight4(row, quad), load_weight4(row1, quad), load_weight4(row2, quad), load_weight4(row3, quad)));
    y0 += w * x[x0 + quad];
    y1 += w * x[x1 + quad];
    y2 += w * x[x2 + quad];
    y3 += w * x[x3 + quad];
    y4 += w * x[x4 + quad];
    y5 += w * x[x5 + quad];
    y6 += w * x[x6 + quad];
    y7 += w * x[x7 + quad];
  }
  write_rows(token, row, y0);
  write_rows(token + 1u, row, y1);
  write_rows(token + 2u, row, y2);
  write_rows(token + 3u, row, y3);
  write_rows(token + 4u, row, y4);
  write_rows(token + 5u, row, y5);
  write_rows(token + 6u, row, y6);
  write_rows(token + 7u, row, y7);
}
