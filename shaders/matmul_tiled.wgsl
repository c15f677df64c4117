// Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n], for all tokens of the step; residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]         part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]    f32
//   out     [num_tokens, out_stride]  f32                   part: output (store, residual, swiglu)
// SIDE x SIDE threads make a tile of 8 SIDE rows by 8 SIDE tokens, 8 x 8 outputs each, 16 columns a turn. The tiles of decoded W and
// of X lie in workgroup memory as quads of columns, those of neighbouring rows (tokens) side by side: 8 threads read 128 bytes,
// and what is stored together meets different banks. A thread's rows are two fours of neighbours, its tokens lie SIDE apart.
const THREADS = SIDE * SIDE;
const SPAN = SIDE * 8u;
const DEPTH = 4u; // quads of a turn
const QUARTER = SIDE * 2u + 1u; // rows whose number has the same remainder by 4
const W_PITCH = QUARTER * 4u + 6u;
const X_PITCH = SPAN + 2u;
const ITEMS = SPAN * DEPTH / THREADS; // quads of each tile that a thread loads
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> w_tile: array<vec4f, DEPTH * W_PITCH>;
var<workgroup> x_tile: array<vec4f, DEPTH * X_PITCH>;

// What the next turn needs is on its way while this one is computed.
var<private> w_next: array<vec4f, ITEMS>;
var<private> x_next: array<vec4f, ITEMS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_token = id.y * SPAN;
  let first_row = id.x * SPAN;
  // 32 neighbouring threads are 8 across and 4 down.
  let across = local % 8u + local / 32u % (SIDE / 8u) * 8u;
  let down = local / 8u % 4u + local / (SIDE * 4u) * 4u;
  var sums: array<vec4f, 16>; // 4 rows of a token
  fetch(local, first_row, first_token, 0u);
  for (var quad = 0u; quad < in_groups * 8u; quad += DEPTH) {
    place(local);
    workgroupBarrier();
    if (quad + DEPTH < in_groups * 8u) {
      fetch(local, first_row, first_token, quad + DEPTH);
    }
    for (var deep = 0u; deep < DEPTH; deep++) {
      for (var four = 0u; four < 2u; four++) {
        let at = deep * W_PITCH + four * SIDE + across;
        let w = transpose(mat4x4f(w_tile[at], w_tile[at + QUARTER], w_tile[at + 2u * QUARTER], w_tile[at + 3u * QUARTER]));
        for (var t = 0u; t < 8u; t++) {
          let xs = x_tile[deep * X_PITCH + t * SIDE + down];
          let i = four * 8u + t;
          sums[i] = sums[i] + xs.x * w[0] + xs.y * w[1] + xs.z * w[2] + xs.w * w[3];
        }
      }
    }
    workgroupBarrier();
  }
  for (var four = 0u; four < 2u; four++) {
    for (var t = 0u; t < 8u; t++) {
      write_rows(first_token + t * SIDE + down, first_row + (four * SIDE + across) * 4u, sums[four * 8u + t]);
    }
  }
}

// Neighbouring threads take neighbouring columns, as they lie in memory. Behind the last token and row the last is read again,
// and not written.
fn fetch(local: u32, first_row: u32, first_token: u32, quad: u32) {
  for (var i = 0u; i < ITEMS; i++) {
    let item = local + i * THREADS;
    let at = quad + item % DEPTH;
    w_next[i] = load_weight4(min(first_row + item / DEPTH, out_dim - 1u), at);
    x_next[i] = x[min(first_token + item / DEPTH, step.num_tokens - 1u) * (x_stride / 4u) + at];
  }
}

fn place(local: u32) {
  for (var i = 0u; i < ITEMS; i++) {
    let item = local + i * THREADS;
    let deep = item % DEPTH;
    let row = item / DEPTH;
    w_tile[deep * W_PITCH + row % 4u * QUARTER + row / 4u] = w_next[i];
    x_tile[deep * X_PITCH + row] = x_next[i];
  }
}
