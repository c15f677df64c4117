// Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n], for all tokens of the step; residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]         part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]    f32
//   out     [num_tokens, out_stride]  f32                   part: output (store, residual, swiglu)
// ACROSS x DOWN threads make a tile of their ROWS x TOKENS outputs each, 4 DEPTH columns a turn. Tiles lie in workgroup memory
// as quads of columns, of neighbouring rows (tokens) side by side, so that 8 threads read 128 bytes.
const THREADS = ACROSS * DOWN;
const FOURS = ROWS / 4u;
const QUARTER = ACROSS * FOURS + 2u; // rows R of the tile, R % 4 the same; 2 apart, so that stores meet different banks
const TILE_ROWS = ACROSS * ROWS;
const TILE_TOKENS = DOWN * TOKENS;
const W_PITCH = 4u * QUARTER;
const X_PITCH = TILE_TOKENS + 8u / DEPTH;
const W_ITEMS = TILE_ROWS * DEPTH / THREADS; // quads that a thread loads
const X_ITEMS = TILE_TOKENS * DEPTH / THREADS;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> w_tile: array<vec4f, DEPTH * W_PITCH>;
var<workgroup> x_tile: array<vec4f, DEPTH * X_PITCH>;

// What the next turn needs is on its way while this one is computed.
var<private> w_next: array<vec4f, W_ITEMS>;
var<private> x_next: array<vec4f, X_ITEMS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_token = id.y * TILE_TOKENS;
  let first_row = id.x * TILE_ROWS;
  // 32 neighbouring threads are 8 across and 4 down.
  let across = local % 8u + local / 32u % (ACROSS / 8u) * 8u;
  let down = local / 8u % 4u + local / (ACROSS * 4u) * 4u;
  var sums: array<vec4f, FOURS * TOKENS>; // 4 rows of a token
  if (PREFETCH) {
    fetch(local, first_row, first_token, 0u);
  }
  for (var quad = 0u; quad < in_groups * 8u; quad += DEPTH) {
    if (!PREFETCH) {
      fetch(local, first_row, first_token, quad);
    }
    place(local);
    workgroupBarrier();
    if (PREFETCH && quad + DEPTH < in_groups * 8u) {
      fetch(local, first_row, first_token, quad + DEPTH);
    }
    for (var deep = 0u; deep < DEPTH; deep++) {
      for (var four = 0u; four < FOURS; four++) {
        let at = deep * W_PITCH + four * ACROSS + across;
        let w = transpose(mat4x4f(w_tile[at], w_tile[at + QUARTER], w_tile[at + 2u * QUARTER], w_tile[at + 3u * QUARTER]));
        for (var t = 0u; t < TOKENS; t++) {
          let xs = x_tile[deep * X_PITCH + t * DOWN + down];
          let i = four * TOKENS + t;
          sums[i] = sums[i] + xs.x * w[0] + xs.y * w[1] + xs.z * w[2] + xs.w * w[3];
        }
      }
    }
    workgroupBarrier();
  }
  for (var four = 0u; four < FOURS; four++) {
    for (var t = 0u; t < TOKENS; t++) {
      write_rows(first_token + t * DOWN + down, first_row + (four * ACROSS + across) * 4u, sums[four * TOKENS + t]);
    }
  }
}

// Neighbouring threads take neighbouring columns, as they lie in memory. Behind the last token and row the last is read again,
// and not written.
fn fetch(local: u32, first_row: u32, first_token: u32, quad: u32) {
  for (var i = 0u; i < W_ITEMS; i++) {
    let item = local + i * THREADS;
    w_next[i] = load_weight4(min(first_row + item / DEPTH, out_dim - 1u), quad + item % DEPTH);
  }
  for (var i = 0u; i < X_ITEMS; i++) {
    let item = local + i * THREADS;
    let token = min(first_token + item / DEPTH, step.num_tokens - 1u);
    x_next[i] = x[token * (x_stride / 4u) + quad + item % DEPTH];
  }
}

fn place(local: u32) {
  for (var i = 0u; i < W_ITEMS; i++) {
    let item = local + i * THREADS;
    let row = item / DEPTH;
    w_tile[item % DEPTH * W_PITCH + row % 4u * QUARTER + row / 4u] = w_next[i];
  }
  for (var i = 0u; i < X_ITEMS; i++) {
    let item = local + i * THREADS;
    x_tile[item % DEPTH * X_PITCH + item / DEPTH] = x_next[i];
  }
}
