// y[n] = Σ_k W[n, k] x[k] + bias[n], for the last token of the step; norm, residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]       part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]  f32                     part: input (plain, rms_norm)
//   out     [1, out_stride]         f32                     part: output (store, residual, swiglu)
// A row is shared by LANES threads, each taking every LANES-th group of 32; a thread serves ROWS rows, so that x is read
// once for all of them and ROWS loads of 16 bytes are in flight.
const SETS = WORKGROUP_SIZE / LANES;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

var<workgroup> partial: array<array<f32, ROWS + 1u>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let lane = local % LANES;
  let first_row = (group.x * SETS + local / LANES) * ROWS;
  let x_base = (step.num_tokens - 1u) * (x_stride / 4u);
  var sums: array<f32, ROWS>;
  var sum_of_squares = 0.0;
  for (var g = lane; g < in_groups; g += LANES) {
    var xs: array<vec4f, 8>;
    var total = vec4f(0.0);
    for (var j = 0u; j < 8u; j++) {
      let raw = x[x_base + g * 8u + j];
      sum_of_squares += dot(raw, raw);
      xs[j] = weigh_input(raw, g * 8u + j);
      total += xs[j];
    }
    let x_sum = total.x + total.y + total.z + total.w;
    for (var r = 0u; r < ROWS; r++) {
      sums[r] += dot_weight(min(first_row + r, out_dim - 1u), g, &xs, x_sum);
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    partial[local][r] = sums[r];
  }
  partial[local][ROWS] = sum_of_squares;
  workgroupBarrier();

  // One thread finishes one pair of rows.
  let pairs = SETS * ROWS / 2u;
  if (local >= pairs) {
    return;
  }
  let row_set = local / (ROWS / 2u);
  let within = local % (ROWS / 2u) * 2u;
  let row = (group.x * SETS + row_set) * ROWS + within;
  if (row >= out_dim) {
    return;
  }
  var a = 0.0;
  var b = 0.0;
  var squares = 0.0;
  for (var i = 0u; i < LANES; i++) {
    a += partial[row_set * LANES + i][within];
    b += partial[row_set * LANES + i][within + 1u];
    squares += partial[row_set * LANES + i][ROWS];
  }
  let scale = input_scale(squares);
  a *= scale;
  b *= scale;
  if (has_bias) {
    a += bias[row_offset + row];
    b += bias[min(row_offset + row + 1u, row_offset + out_dim - 1u)];
  }
  write_pair(0u, row, a, b);
}
