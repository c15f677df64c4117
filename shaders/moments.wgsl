// C[s, b, i, j] += Σ_t w[t, b] x[t, b, i] y[t, b, j] over the tokens of split s: second moments, one matrix a batch (a head).
//   x        [num_tokens, x_stride]    f32; the n values of batch b begin at x_offset + b * x_batch; where x_ones, a 1 follows
//   y        [num_tokens, y_stride]    f32, m values, likewise
//   weights  [num_tokens, w_stride]    f32, batch b at b * w_batch; unread unless weighted
//   sums     [SPLITS, batches, n + x_ones, m + y_ones]  f32
// A 1 behind x and y gives Σ w y and Σ w along the edge of the same matrix. One workgroup: a tile of 64 x 64 of one matrix and
// split, 4 x 4 a thread, 16 tokens a turn through workgroup memory. symmetric: tiles below the diagonal stay zero.
const TILE = 64u;
const TURN = 16u;
const N = n + select(0u, 1u, x_ones);
const M = m + select(0u, 1u, y_ones);
const COLUMNS = (M + TILE - 1u) / TILE;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> x_tile: array<vec4f, TURN * TILE / 4u>;
var<workgroup> y_tile: array<vec4f, TURN * TILE / 4u>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first_row = id.x / COLUMNS * TILE;
  let first_column = id.x % COLUMNS * TILE;
  if (symmetric && first_row > first_column) {
    return;
  }
  let length = (step.num_tokens + SPLITS - 1u) / SPLITS;
  let start = id.z * length;
  let end = min(start + length, step.num_tokens);
  let tx = lane % 16u;
  let ty = lane / 16u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var turn = start; turn < end; turn += TURN) {
    // Every thread fetches 4 values of one token of each side.
    let t = turn + ty;
    var weight = 1.0;
    if (weighted) {
      weight = weights[min(t, end - 1u) * w_stride + id.y * w_batch];
    }
    let inside = t < end;
    x_tile[lane] = select(vec4f(0.0), weight * load_x(min(t, end - 1u), id.y, first_row + tx * 4u), inside);
    y_tile[lane] = select(vec4f(0.0), load_y(min(t, end - 1u), id.y, first_column + tx * 4u), inside);
    workgroupBarrier();
    for (var k = 0u; k < TURN; k++) {
      let a = x_tile[k * 16u + ty];
      let b = y_tile[k * 16u + tx];
      sum0 += a.x * b;
      sum1 += a.y * b;
      sum2 += a.z * b;
      sum3 += a.w * b;
    }
    workgroupBarrier();
  }
  let base = (id.z * batches + id.y) * N;
  add_row(base, first_row + ty * 4u, first_column + tx * 4u, sum0);
  add_row(base, first_row + ty * 4u + 1u, first_column + tx * 4u, sum1);
  add_row(base, first_row + ty * 4u + 2u, first_column + tx * 4u, sum2);
  add_row(base, first_row + ty * 4u + 3u, first_column + tx * 4u, sum3);
}

// 4 values of one token, the 1 behind them, zeros behind that.
fn load_x(t: u32, batch: u32, i: u32) -> vec4f {
  var values = vec4f(0.0);
  for (var c = 0u; c < min(4u, N - min(N, i)); c++) {
    if (i + c < n) {
      values[c] = x[t * x_stride + x_offset + batch * x_batch + i + c];
    } else {
      values[c] = 1.0;
    }
  }
  return values;
}

fn load_y(t: u32, batch: u32, i: u32) -> vec4f {
  var values = vec4f(0.0);
  for (var c = 0u; c < min(4u, M - min(M, i)); c++) {
    if (i + c < m) {
      values[c] = y[t * y_stride + y_offset + batch * y_batch + i + c];
    } else {
      values[c] = 1.0;
    }
  }
  return values;
}

fn add_row(base: u32, row: u32, column: u32, sum: vec4f) {
  // A loop, and not 4 lines: software adapters take a second to compile those.
  for (var c = 0u; c < min(4u, M - min(M, column)); c++) {
    if (row < N) {
      sums[(base + row) * M + column + c] += sum[c];
    }
  }
}
