// Y[t, n] = Σ_g s[t, g] d[n, g] Σ_k q[n, k] p[t, k] + bias[n], for all tokens of the step: matmul_tiled with activations of 8 bits.
//   weight    [out_dim, in_dim]          part: packed (q4_0, q4_1, q8_0); rows padded to groups g of 32
//   x         [num_tokens, in_groups]    int8: 2 vec4u a group (quantise_rows)
//   x_scales  [num_tokens, in_groups]    f32: s, and s Σ_k p, by which q4_1 weighs its minimum
//   out       [num_tokens, out_stride]   f32                   part: output (store, residual, swiglu)
// ACROSS x DOWN threads make a tile of their ROWS x TOKENS outputs each, DEPTH groups a turn. Quants lie in workgroup memory as 16
// columns of neighbouring rows side by side, so that 8 threads read 128 bytes; products of a group are exact integers.
const THREADS = ACROSS * DOWN;
const FOURS = ROWS / 4u;
const QUARTER = ACROSS * FOURS + 2u; // rows R of the tile, R % 4 the same; 2 apart, so that stores meet different banks
const TILE_ROWS = ACROSS * ROWS;
const TILE_TOKENS = DOWN * TOKENS;
const W_PITCH = 4u * QUARTER;
const X_PITCH = TILE_TOKENS + 4u / DEPTH;
const W_ITEMS = (TILE_ROWS * DEPTH + THREADS - 1u) / THREADS; // groups that a thread loads
const X_ITEMS = (TILE_TOKENS * DEPTH * 2u + THREADS - 1u) / THREADS; // half groups
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4u>;
@group(0) @binding(3) var<storage, read> x_scales: array<vec2f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

var<workgroup> w_tile: array<vec4u, 2u * DEPTH * W_PITCH>;
var<workgroup> x_tile: array<vec4u, 2u * DEPTH * X_PITCH>;
var<workgroup> w_steps: array<vec2f, DEPTH * TILE_ROWS>;
var<workgroup> x_steps: array<vec2f, DEPTH * TILE_TOKENS>;

// What the next turn needs is on its way while this one is computed.
var<private> w_next: array<Packed, W_ITEMS>;
var<private> x_next: array<vec4u, X_ITEMS>;
var<private> s_next: array<vec2f, X_ITEMS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_token = id.y * TILE_TOKENS;
  let first_row = id.x * TILE_ROWS;
  // 32 neighbouring threads are 8 across and 4 down.
  let across = local % 8u + local / 32u % (ACROSS / 8u) * 8u;
  let down = local / 8u % 4u + local / (ACROSS * 4u) * 4u;
  var sums: array<vec4f, FOURS * TOKENS>; // 4 rows of a token
  fetch(local, first_row, first_token, 0u);
  for (var group = 0u; group < in_groups; group += DEPTH) {
    place(local);
    workgroupBarrier();
    if (group + DEPTH < in_groups) {
      fetch(local, first_row, first_token, group + DEPTH);
    }
    for (var deep = 0u; deep < DEPTH; deep++) {
      for (var four = 0u; four < FOURS; four++) {
        let at = deep * 2u * W_PITCH + four * ACROSS + across;
        let a = w_tile[at];
        let b = w_tile[at + QUARTER];
        let c = w_tile[at + 2u * QUARTER];
        let d = w_tile[at + 3u * QUARTER];
        let e = w_tile[at + W_PITCH];
        let f = w_tile[at + W_PITCH + QUARTER];
        let g = w_tile[at + W_PITCH + 2u * QUARTER];
        let h = w_tile[at + W_PITCH + 3u * QUARTER];
        let row = deep * TILE_ROWS + (four * ACROSS + across) * 4u;
        let p = w_steps[row];
        let q = w_steps[row + 1u];
        let r = w_steps[row + 2u];
        let s = w_steps[row + 3u];
        for (var t = 0u; t < TOKENS; t++) {
          let token = t * DOWN + down;
          let low = x_tile[deep * 2u * X_PITCH + token];
          let high = x_tile[(deep * 2u + 1u) * X_PITCH + token];
          let scale = x_steps[deep * TILE_TOKENS + token];
          let products = vec4i(dot_group(a, e, low, high), dot_group(b, f, low, high),
            dot_group(c, g, low, high), dot_group(d, h, low, high));
          let i = four * TOKENS + t;
          sums[i] += vec4f(products) * (vec4f(p.x, q.x, r.x, s.x) * scale.x);
          if (has_minimum) {
            sums[i] += vec4f(p.y, q.y, r.y, s.y) * scale.y;
          }
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

fn dot_group(a: vec4u, b: vec4u, p: vec4u, q: vec4u) -> i32 {
  return dot4I8Packed(a.x, p.x) + dot4I8Packed(a.y, p.y) + dot4I8Packed(a.z, p.z) + dot4I8Packed(a.w, p.w)
    + dot4I8Packed(b.x, q.x) + dot4I8Packed(b.y, q.y) + dot4I8Packed(b.z, q.z) + dot4I8Packed(b.w, q.w);
}

// Behind the last token and row the last is read again, and not written.
fn fetch(local: u32, first_row: u32, first_token: u32, group: u32) {
  for (var i = 0u; i < W_ITEMS; i++) {
    let item = min(local + i * THREADS, TILE_ROWS * DEPTH - 1u);
    let row = min(first_row + item / DEPTH, out_dim - 1u);
    w_next[i] = load_packed(row * in_groups + group + item % DEPTH);
  }
  for (var i = 0u; i < X_ITEMS; i++) {
    let item = min(local + i * THREADS, TILE_TOKENS * DEPTH * 2u - 1u);
    let token = min(first_token + item / (DEPTH * 2u), step.num_tokens - 1u);
    let half = (token * in_groups + group) * 2u + item % (DEPTH * 2u);
    x_next[i] = x[half];
    s_next[i] = x_scales[half / 2u];
  }
}

fn place(local: u32) {
  for (var i = 0u; i < W_ITEMS; i++) {
    let item = local + i * THREADS;
    if (item < TILE_ROWS * DEPTH) {
      let row = item / DEPTH;
      let deep = item % DEPTH;
      let at = deep * 2u * W_PITCH + row % 4u * QUARTER + row / 4u;
      w_tile[at] = low_half(w_next[i]);
      w_tile[at + W_PITCH] = high_half(w_next[i]);
      w_steps[deep * TILE_ROWS + row] = w_next[i].steps;
    }
  }
  for (var i = 0u; i < X_ITEMS; i++) {
    let item = local + i * THREADS;
    if (item < TILE_TOKENS * DEPTH * 2u) {
      let token = item / (DEPTH * 2u);
      let half = item % (DEPTH * 2u);
      x_tile[half * X_PITCH + token] = x_next[i];
      if (half % 2u == 0u) {
        x_steps[half / 2u * TILE_TOKENS + token] = s_next[i];
      }
    }
  }
}
