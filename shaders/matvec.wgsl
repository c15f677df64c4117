// y[n] = Σ_k W[n, k] x[k] + bias[n] (part: bias), for one token of the step (part: token); norm, residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]       part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]  f32                     part: input (plain, rms_norm)
//   best    [workgroups, 2]         f32 bits, u32           part: output best
//   out     [1, out_stride]         f32                     part: output (store, residual, swiglu, best)
// A row is shared by LANES threads, each taking every LANES-th group of 32 (part: lanes says how their sums come together); a
// thread serves ROWS rows (part: rows), so that x is read once for all of them and several loads of 16 bytes are in flight.
// Part x says whether threads read x where it lies or in workgroup memory, already multiplied by the norm's weight.
const SETS = WORKGROUP_SIZE / LANES;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> best: array<vec2u>;
@group(0) @binding(7) var<uniform> step: Step;

struct RowSums {
  rows: RowValues,
  squares: f32, // of the x that the lanes read, for the norm
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let lane = local % LANES;
  let first_row = (group.x * SETS + local / LANES) * ROWS;
  let x_base = own_token() * (x_stride / 4u);
  // The first rows come while x is staged, where it is.
  var rows = fetch_rows(first_row, min(lane, in_groups - 1u));
  stage_input(local, x_base);
  var sums = RowValues();
  for (var g = lane; g < in_groups; g += LANES) {
    let xs = input_group(x_base, g);
    let total = xs.a + xs.b + xs.c + xs.d + xs.e + xs.f + xs.g + xs.h;
    let x_sum = total.x + total.y + total.z + total.w;
    if (!STAGES_X || g != lane) {
      rows = fetch_rows(first_row, g);
    }
    sums += dot_rows(rows, xs, x_sum);
  }
  let y = add_lanes(local, RowSums(sums, thread_squares));
  if (lane == 0u) {
    write_values(first_row, y.rows * input_scale(all_squares(y.squares)));
  }
  finish(group.x, local);
}

fn write_rows(row: u32, sums: vec2f) {
  if (row >= out_dim) {
    return;
  }
  let y = add_bias(sums, row);
  write_pair(0u, row, y.x, y.y);
}
