// For software adapters, to which a thread at a barrier is dear: every thread reads what it multiplies.
fn sum_products(lane: u32, start: u32, end: u32, batch: u32, first_row: u32, first_column: u32) -> mat4x4f {
  var sums = mat4x4f();
  for (var t = start; t < end; t++) {
    let a = fetch_x(t, end, batch, first_row + lane / 16u * 4u);
    let b = fetch_y(t, end, batch, first_column + lane % 16u * 4u);
    sums += mat4x4f(a.x * b, a.y * b, a.z * b, a.w * b);
  }
  return sums;
}
