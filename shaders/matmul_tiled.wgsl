// Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n], for all tokens of the step; residual and SwiGLU ride along as parts.
//   weight  [out_dim, in_dim]         part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]    f32
//   out     [num_tokens, out_stride]  f32                   part: output (store, residual, swiglu)
// A workgroup of 16 x 16 threads makes a tile of 64 QUADS tokens by 64 QUADS rows, TILE_K columns a turn: the tiles of X and of
// decoded W lie in workgroup memory with k first, as vectors over 4 tokens and 4 rows; a thread has 4 QUADS x 4 QUADS sums.
const SIDE = 16u;
const SPAN = SIDE * QUADS; // vectors of one k
const BLOCKS = SPAN * TILE_K / 4u; // blocks of 4 x 4 values that a tile is loaded in
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> x_tile: array<vec4f, SPAN * TILE_K>;
var<workgroup> w_tile: array<vec4f, SPAN * TILE_K>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_token = group.y * SPAN * 4u;
  let first_row = group.x * SPAN * 4u;
  let across = local % SIDE;
  let down = local / SIDE;
  var sums: array<vec4f, 4u * QUADS * QUADS>;
  for (var k = 0u; k < in_groups * 32u; k += TILE_K) {
    for (var block = local; block < 2u * BLOCKS; block += 256u) {
      if (block < BLOCKS) {
        load_x(block, first_token, k);
      } else {
        load_w(block - BLOCKS, first_row, k);
      }
    }
    workgroupBarrier();
    for (var i = 0u; i < TILE_K; i++) {
      for (var r = 0u; r < QUADS; r++) {
        let w = w_tile[i * SPAN + r * SIDE + across];
        for (var t = 0u; t < QUADS; t++) {
          let xs = x_tile[i * SPAN + t * SIDE + down];
          let at = (r * QUADS + t) * 4u;
          sums[at] += xs.x * w;
          sums[at + 1u] += xs.y * w;
          sums[at + 2u] += xs.z * w;
          sums[at + 3u] += xs.w * w;
        }
      }
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < QUADS; r++) {
    for (var t = 0u; t < QUADS; t++) {
      for (var c = 0u; c < 4u; c++) {
        let token = first_token + (t * SIDE + down) * 4u + c;
        write_rows(token, first_row + (r * SIDE + across) * 4u, sums[(r * QUADS + t) * 4u + c]);
      }
    }
  }
}

// A block is 4 tokens (or rows) by 4 columns; neighbouring threads take neighbouring columns, as they lie in memory. Behind the
// last token and row the last is read again, and not written.
fn load_x(block: u32, first_token: u32, k: u32) {
  let column = block % (TILE_K / 4u);
  let quad = block / (TILE_K / 4u);
  let last = step.num_tokens - 1u;
  let token = first_token + quad * 4u;
  let at = (k / 4u) + column;
  let pitch = x_stride / 4u;
  let columns = transpose(mat4x4f(
    x[min(token, last) * pitch + at],
    x[min(token + 1u, last) * pitch + at],
    x[min(token + 2u, last) * pitch + at],
    x[min(token + 3u, last) * pitch + at],
  ));
  for (var c = 0u; c < 4u; c++) {
    x_tile[(column * 4u + c) * SPAN + quad] = columns[c];
  }
}

fn load_w(block: u32, first_row: u32, k: u32) {
  let column = block % (TILE_K / 4u);
  let quad = block / (TILE_K / 4u);
  let last = out_dim - 1u;
  let row = first_row + quad * 4u;
  let at = (k / 4u) + column;
  let columns = transpose(mat4x4f(
    load_weight4(min(row, last), at),
    load_weight4(min(row + 1u, last), at),
    load_weight4(min(row + 2u, last), at),
    load_weight4(min(row + 3u, last), at),
  ));
  for (var c = 0u; c < 4u; c++) {
    w_tile[(column * 4u + c) * SPAN + quad] = columns[c];
  }
}
