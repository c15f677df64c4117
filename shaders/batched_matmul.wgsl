// C[b] = alpha Σ_r A[b, r] B[b, r] + beta C[b]: dense f32 products of any layout. Transposes, heads that share a matrix and sums
// over the heads of a group are strides.
//   A[b, r](i, k) = a[a_offset + b / a_share * a_batch + r * a_repeat + i * a_row + k * a_column]      [rows, depth]
//   B[b, r](k, j) = b[b_offset + b / b_share * b_batch + r * b_repeat + k * b_row + j * b_column]      [depth, columns]
//   C[b](i, j)    = c[c_offset + b * c_batch + i * c_row + j]                                          [rows, columns]
// All numbers lie in a uniform, so that one pipeline serves every product of every layer. triangle leaves out what a causal
// matrix does not have, in whole tiles: 1: of C, above the diagonal (not written); 2: A is zero there; 3: A is zero below it.
// A workgroup of 256 threads makes a tile of 64 x 64, a thread 4 x 4 of it. part: tile (shared: through workgroup memory; alone:
// every thread fetches for itself)
const SIDE = 64u;
const TURN = 16u;
struct Product {
  rows: u32,
  columns: u32,
  depth: u32,
  repeats: u32,
  a_offset: u32,
  a_row: u32,
  a_column: u32,
  a_batch: u32,
  a_share: u32,
  a_repeat: u32,
  b_offset: u32,
  b_row: u32,
  b_column: u32,
  b_batch: u32,
  b_share: u32,
  b_repeat: u32,
  c_offset: u32,
  c_row: u32,
  c_batch: u32,
  triangle: u32,
  alpha: f32,
  beta: f32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> product: Product;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first_row = id.y * SIDE;
  let first_column = id.x * SIDE;
  if (product.triangle == 1u && first_column > first_row) {
    return;
  }
  let start = select(0u, first_row, product.triangle == 3u);
  let end = select(product.depth, min(product.depth, first_row + SIDE), product.triangle == 2u);
  var sums = mat4x4f();
  for (var r = 0u; r < product.repeats; r++) {
    let a_base = product.a_offset + id.z / product.a_share * product.a_batch + r * product.a_repeat;
    let b_base = product.b_offset + id.z / product.b_share * product.b_batch + r * product.b_repeat;
    sums = add_product(sums, a_base, b_base, first_row, first_column, start, end, lane);
  }
  let row = first_row + lane / 16u * 4u;
  let column = first_column + lane % 16u * 4u;
  write_row(id.z, row, column, sums[0]);
  write_row(id.z, row + 1u, column, sums[1]);
  write_row(id.z, row + 2u, column, sums[2]);
  write_row(id.z, row + 3u, column, sums[3]);
}

fn write_row(batch: u32, row: u32, column: u32, sum: vec4f) {
  let base = product.c_offset + batch * product.c_batch + row * product.c_row + column;
  // A loop, and not 4 lines: software adapters take a second to compile those.
  for (var j = 0u; j < min(4u, product.columns - min(product.columns, column)); j++) {
    if (row < product.rows) {
      var value = product.alpha * sum[j];
      if (product.beta != 0.0) {
        value += product.beta * c[base + j];
      }
      c[base + j] = value;
    }
  }
}

// 4 rows of A in one column; behind the last row the last again, which is not written.
fn load_a(base: u32, row: u32, k: u32) -> vec4f {
  let rows = min(vec4u(row) + vec4u(0u, 1u, 2u, 3u), vec4u(product.rows - 1u));
  let at = vec4u(base + k * product.a_column) + rows * product.a_row;
  return vec4f(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn load_b(base: u32, k: u32, column: u32) -> vec4f {
  let columns = min(vec4u(column) + vec4u(0u, 1u, 2u, 3u), vec4u(product.columns - 1u));
  let at = vec4u(base + k * product.b_row) + columns * product.b_column;
  return vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
}
