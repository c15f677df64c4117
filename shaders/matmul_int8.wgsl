// Y[t, n] = Σ_g s[t, g] d[n, g] Σ_k q[n, k] p[t, k] + bias[n], for all tokens of the step: matmul_tiled with activations of 8 bits.
//   weight    [out_dim, in_dim]          part: packed (q4_0, q4_1, q8_0); rows padded to groups g of 32
//   x         [num_tokens, in_groups]    int8: 2 vec4u a group (quantise_rows)
//   x_scales  [num_tokens, in_groups]    f32: s, and s Σ_k p, by which q4_1 weighs its minimum
//   out       [num_tokens, out_stride]   f32                   part: output (store, residual, swiglu)
// 8 x 8 threads make a tile of 64 rows by 64 tokens, 8 x 8 outputs each, DEPTH groups a turn. Quants lie in workgroup memory by 16
// columns, those of neighbouring rows (tokens) side by side: 8 threads read 128 bytes. Products of a group are exact integers.
const SPAN = 64u;
const QUARTER = 18u; // rows whose number has the same remainder by 4, and 2, so that stores meet different banks
const W_PITCH = 4u * QUARTER;
const X_PITCH = SPAN + 4u / DEPTH;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4u>;
@group(0) @binding(3) var<storage, read> x_scales: array<vec2f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

var<workgroup> w_tile: array<vec4u, 2u * DEPTH * W_PITCH>;
var<workgroup> x_tile: array<vec4u, 2u * DEPTH * X_PITCH>;
var<workgroup> w_steps: array<vec2f, DEPTH * SPAN>;
var<workgroup> x_steps: array<vec2f, DEPTH * SPAN>;

// What the next turn needs is on its way while this one is computed.
var<private> w_next: array<Packed, DEPTH>;
var<private> x_next: array<vec4u, 2u * DEPTH>;
var<private> s_next: array<vec2f, 2u * DEPTH>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_token = id.y * SPAN;
  let first_row = id.x * SPAN;
  let across = local % 8u;
  let down = local / 8u;
  var sums: array<vec4f, 16>; // 4 rows of a token
  fetch(local, first_row, first_token, 0u);
  for (var group = 0u; group < in_groups; group += DEPTH) {
    place(local);
    workgroupBarrier();
    if (group + DEPTH < in_groups) {
      fetch(local, first_row, first_token, group + DEPTH);
    }
    for (var deep = 0u; deep < DEPTH; deep++) {
      for (var four = 0u; four < 2u; four++) {
        let at = deep * 2u * W_PITCH + four * 8u + across;
        let a = w_tile[at];
        let b = w_tile[at + QUARTER];
        let c = w_tile[at + 2u * QUARTER];
        let d = w_tile[at + 3u * QUARTER];
        let e = w_tile[at + W_PITCH];
        let f = w_tile[at + W_PITCH + QUARTER];
        let g = w_tile[at + W_PITCH + 2u * QUARTER];
        let h = w_tile[at + W_PITCH + 3u * QUARTER];
        let row = deep * SPAN + (four * 8u + across) * 4u;
        let p = w_steps[row];
        let q = w_steps[row + 1u];
        let r = w_steps[row + 2u];
        let s = w_steps[row + 3u];
        for (var t = 0u; t < 8u; t++) {
          let token = t * 8u + down;
          let low = x_tile[deep * 2u * X_PITCH + token];
          let high = x_tile[(deep * 2u + 1u) * X_PITCH + token];
          let scale = x_steps[deep * SPAN + token];
          let products = vec4i(dot_group(a, e, low, high), dot_group(b, f, low, high),
            dot_group(c, g, low, high), dot_group(d, h, low, high));
          let i = four * 8u + t;
          sums[i] += vec4f(products) * (vec4f(p.x, q.x, r.x, s.x) * scale.x);
          if (has_minimum) {
            sums[i] += vec4f(p.y, q.y, r.y, s.y) * scale.y;
          }
        }
      }
    }
    workgroupBarrier();
  }
  for (var four = 0u; four < 2u; four++) {
    for (var t = 0u; t < 8u; t++) {
      write_rows(first_token + t * 8u + down, first_row + (four * 8u + across) * 4u, sums[four * 8u + t]);
    }
  }
}

fn dot_group(a: vec4u, b: vec4u, p: vec4u, q: vec4u) -> i32 {
  return dot4I8Packed(a.x, p.x) + dot4I8Packed(a.y, p.y) + dot4I8Packed(a.z, p.z) + dot4I8Packed(a.w, p.w)
    + dot4I8Packed(b.x, q.x) + dot4I8Packed(b.y, q.y) + dot4I8Packed(b.z, q.z) + dot4I8Packed(b.w, q.w);
}

// A group of a row and half a group of a token are an item. Behind the last token and row the last is read again, and not written.
fn fetch(local: u32, first_row: u32, first_token: u32, group: u32) {
  for (var i = 0u; i < DEPTH; i++) {
    let item = local + i * 64u;
    w_next[i] = load_packed(min(first_row + item / DEPTH, out_dim - 1u) * in_groups + group + item % DEPTH);
  }
  for (var i = 0u; i < 2u * DEPTH; i++) {
    let item = local + i * 64u;
    let token = min(first_token + item / (DEPTH * 2u), step.num_tokens - 1u);
    let half = (token * in_groups + group) * 2u + item % (DEPTH * 2u);
    x_next[i] = x[half];
    s_next[i] = x_scales[half / 2u];
  }
}

fn place(local: u32) {
  for (var i = 0u; i < DEPTH; i++) {
    let item = local + i * 64u;
    let row = item / DEPTH;
    let deep = item % DEPTH;
    let at = deep * 2u * W_PITCH + row % 4u * QUARTER + row / 4u;
    w_tile[at] = low_half(w_next[i]);
    w_tile[at + W_PITCH] = high_half(w_next[i]);
    w_steps[deep * SPAN + row] = w_next[i].steps;
  }
  for (var i = 0u; i < 2u * DEPTH; i++) {
    let item = local + i * 64u;
    let token = item / (DEPTH * 2u);
    let half = item % (DEPTH * 2u);
    x_tile[half * X_PITCH + token] = x_next[i];
    if (half % 2u == 0u) {
      x_steps[half / 2u * SPAN + token] = s_next[i];
    }
  }
}
