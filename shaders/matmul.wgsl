// Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n], for all tokens of the step; residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]         part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]    f32
//   out     [num_tokens, out_stride]  f32                   part: output (store, residual, swiglu)
// One workgroup makes a tile of 32 tokens x 32 rows, 4 x 4 a thread, walking k by groups of 32: both tiles lie in workgroup
// memory, the weights already decoded.
const TILE = 32u;
const QUADS = 8u;
const PITCH = QUADS + 1u; // one vec4 of padding keeps the columns in different banks
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> x_tile: array<vec4f, TILE * PITCH>;
var<workgroup> w_tile: array<vec4f, TILE * PITCH>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_row = group.x * TILE;
  let first_token = group.y * TILE;
  let thread_row = (local % 8u) * 4u;
  let thread_token = (local / 8u) * 4u;
  var sums: array<vec4f, 4>; // [token], 4 rows each
  for (var g = 0u; g < in_groups; g++) {
    for (var i = local; i < TILE * QUADS; i += 64u) {
      let line = i / QUADS;
      let quad = i % QUADS;
      let token = min(first_token + line, step.num_tokens - 1u);
      x_tile[line * PITCH + quad] = x[token * (x_stride / 4u) + g * QUADS + quad];
      w_tile[line * PITCH + quad] = load_weight4(min(first_row + line, out_dim - 1u), g * QUADS + quad);
    }
    workgroupBarrier();
    for (var quad = 0u; quad < QUADS; quad++) {
      let w0 = w_tile[thread_row * PITCH + quad];
      let w1 = w_tile[(thread_row + 1u) * PITCH + quad];
      let w2 = w_tile[(thread_row + 2u) * PITCH + quad];
      let w3 = w_tile[(thread_row + 3u) * PITCH + quad];
      for (var t = 0u; t < 4u; t++) {
        let v = x_tile[(thread_token + t) * PITCH + quad];
        sums[t] += vec4f(dot(w0, v), dot(w1, v), dot(w2, v), dot(w3, v));
      }
    }
    workgroupBarrier();
  }
  for (var t = 0u; t < 4u; t++) {
    let token = first_token + thread_token + t;
    for (var r = 0u; r < 4u; r += 2u) {
      let row = first_row + thread_row + r;
      if (token < step.num_tokens && row < out_dim) {
        var a = sums[t][r];
        var b = sums[t][r + 1u];
        if (has_bias) {
          a += bias[row_offset + row];
          b += bias[min(row_offset + row + 1u, row_offset + out_dim - 1u)];
        }
        write_pair(token, row, a, b);
      }
    }
  }
}
