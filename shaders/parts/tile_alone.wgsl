// Without workgroup memory, for software adapters: a barrier there costs more than fetching everything 16 times.
fn add_product(
  before: mat4x4f,
  a_base: u32,
  b_base: u32,
  first_row: u32,
  first_column: u32,
  start: u32,
  end: u32,
  lane: u32,
) -> mat4x4f {
  var sums = before;
  let row = first_row + lane / 16u * 4u;
  let column = first_column + lane % 16u * 4u;
  if (row < product.rows && column < product.columns) {
    for (var k = start; k < end; k++) {
      let x = load_a(a_base, row, k);
      let y = load_b(b_base, k, column);
      sums[0] += x.x * y;
      sums[1] += x.y * y;
      sums[2] += x.z * y;
      sums[3] += x.w * y;
    }
  }
  return sums;
}
