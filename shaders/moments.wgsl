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
  if (start >= end) {
    return;
  }
  let tx = lane % 16u;
  let ty = lane / 16u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  // Every thread fetches 4 values of one token of each side, those of the next turn while this one is multiplied.
  var x_next = fetch_x(start + ty, end, id.y, first_row + tx * 4u);
  var y_next = fetch_y(start + ty, end, id.y, first_column + tx * 4u);
  for (var turn = start; turn < end; turn += TURN) {
    x_tile[lane] = x_next;
    y_tile[lane] = y_next;
    workgroupBarrier();
    x_next = fetch_x(turn + TURN + ty, end, id.y, first_row + tx * 4u);
    y_next = fetch_y(turn + TURN + ty, end, id.y, first_column + tx * 4u);
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

// 4 values of one token, the 1 behind them, zeros behind that and behind the last token. Places are clamped, not branched on, so
// that all loads of a thread are in flight together.
fn fetch_x(t: u32, end: u32, batch: u32, i: u32) -> vec4f {
  let token = min(t, end - 1u);
  let columns = vec4u(i) + vec4u(0u, 1u, 2u, 3u);
  let at = vec4u(token * x_stride + x_offset + batch * x_batch) + min(columns, vec4u(max(n, 1u) - 1u));
  var weight = 1.0;
  if (weighted) {
    weight = weights[token * w_stride + batch * w_batch];
  }
  let values = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
  let tail = select(vec4f(0.0), vec4f(1.0), columns < vec4u(N));
  return select(0.0, weight, t < end) * select(tail, values, columns < vec4u(n));
}

fn fetch_y(t: u32, end: u32, batch: u32, i: u32) -> vec4f {
  let token = min(t, end - 1u);
  let columns = vec4u(i) + vec4u(0u, 1u, 2u, 3u);
  let at = vec4u(token * y_stride + y_offset + batch * y_batch) + min(columns, vec4u(max(m, 1u) - 1u));
  let values = vec4f(y[at.x], y[at.y], y[at.z], y[at.w]);
  let tail = select(vec4f(0.0), vec4f(1.0), columns < vec4u(M));
  return select(tail, values, columns < vec4u(m));
}

fn add_row(base: u32, row: u32, column: u32, sum: vec4f) {
  // A loop, and not 4 lines: software adapters take a second to compile those.
  for (var c = 0u; c < min(4u, M - min(M, column)); c++) {
    if (row < N) {
      sums[(base + row) * M + column + c] += sum[c];
    }
  }
}
