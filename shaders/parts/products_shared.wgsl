// 16 tokens a turn through workgroup memory.
const TURN = 16u;
var<workgroup> x_tile: array<vec4f, TURN * TILE / 4u>;
var<workgroup> y_tile: array<vec4f, TURN * TILE / 4u>;

// Row r: of 4 values of x the r-th, times 4 values of y.
fn sum_products(lane: u32, start: u32, end: u32, batch: u32, first_row: u32, first_column: u32) -> mat4x4f {
  let tx = lane % 16u;
  let ty = lane / 16u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  // Every thread fetches 4 values of one token of each side, those of the next turn while this one is multiplied.
  var x_next = fetch_x(start + ty, end, batch, first_row + tx * 4u);
  var y_next = fetch_y(start + ty, end, batch, first_column + tx * 4u);
  for (var turn = start; turn < end; turn += TURN) {
    x_tile[lane] = x_next;
    y_tile[lane] = y_next;
    workgroupBarrier();
    x_next = fetch_x(turn + TURN + ty, end, batch, first_row + tx * 4u);
    y_next = fetch_y(turn + TURN + ty, end, batch, first_column + tx * 4u);
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
  return mat4x4f(sum0, sum1, sum2, sum3);
}
