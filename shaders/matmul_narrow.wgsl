// Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n], for a step of few tokens; residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]         part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]    f32
//   out     [num_tokens, out_stride]  f32                   part: output (store, residual, swiglu)
// matvec for 4 tokens at a time: a tile of 64 tokens would be empty, and reading the matrix is what takes the time. A row is
// shared by LANES threads, each taking every LANES-th group of 32; a thread serves ROWS rows (part: rows) of 4 tokens.
const SETS = WORKGROUP_SIZE / LANES;
const COLUMNS = 4u;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> lane_rows: array<RowValues, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_row = (group.x * SETS + local / LANES) * ROWS;
  let token = group.y * COLUMNS;
  var y0 = RowValues();
  var y1 = RowValues();
  var y2 = RowValues();
  var y3 = RowValues();
  for (var g = local % LANES; g < in_groups; g += LANES) {
    y0 += column(token, g, first_row);
    y1 += column(token + 1u, g, first_row);
    y2 += column(token + 2u, g, first_row);
    y3 += column(token + 3u, g, first_row);
  }
  put_column(token, first_row, local, y0);
  put_column(token + 1u, first_row, local, y1);
  put_column(token + 2u, first_row, local, y2);
  put_column(token + 3u, first_row, local, y3);
}

// Behind the last token the last is taken again, and not written.
fn column(token: u32, group: u32, first_row: u32) -> RowValues {
  let at = min(token, step.num_tokens - 1u) * (x_stride / 4u) + group * 8u;
  let xs = Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
  let total = xs.a + xs.b + xs.c + xs.d + xs.e + xs.f + xs.g + xs.h;
  return dot_rows(fetch_rows(first_row, group), xs, total.x + total.y + total.z + total.w);
}

var<private> own_token: u32;

fn put_column(token: u32, first_row: u32, local: u32, own: RowValues) {
  var total = own;
  workgroupBarrier();
  lane_rows[local] = own;
  for (var span = LANES / 2u; span > 0u; span /= 2u) {
    workgroupBarrier();
    if (local % LANES < span) {
      total += lane_rows[local + span];
      lane_rows[local] = total;
    }
  }
  if (local % LANES == 0u && token < step.num_tokens) {
    own_token = token;
    write_values(first_row, total);
  }
}

fn write_rows(row: u32, sums: vec2f) {
  if (row >= out_dim) {
    return;
  }
  var y = sums;
  if (has_bias) {
    y += vec2f(bias[row_offset + row], bias[row_offset + min(row + 1u, out_dim - 1u)]);
  }
  write_pair(own_token, row, y.x, y.y);
}
