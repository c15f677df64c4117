// TURN columns of A and rows of B come together in workgroup memory; every thread fetches 4 values of each, those of the next turn
// while this one is multiplied. Neighbouring threads take what lies side by side in memory, whichever way a matrix lies.
const PITCH = 17u; // odd, so that threads at neighbouring k meet different banks
var<workgroup> a_tile: array<vec4f, TURN * PITCH>;
var<workgroup> b_tile: array<vec4f, TURN * PITCH>;

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
  let a_at = select(vec2u(lane % 16u, lane / 16u), vec2u(lane / 16u, lane % 16u), product.a_column == 1u);
  let b_at = select(vec2u(lane % 16u, lane / 16u), vec2u(lane / 16u, lane % 16u), product.b_row == 1u);
  let row = first_row + a_at.x * 4u;
  let column = first_column + b_at.x * 4u;
  var a_next = load_a(a_base, row, min(start + a_at.y, end - 1u));
  var b_next = load_b(b_base, min(start + b_at.y, end - 1u), column);
  for (var turn = start; turn < end; turn += TURN) {
    a_tile[a_at.y * PITCH + a_at.x] = select(vec4f(), a_next, turn + a_at.y < end);
    b_tile[b_at.y * PITCH + b_at.x] = select(vec4f(), b_next, turn + b_at.y < end);
    workgroupBarrier();
    a_next = load_a(a_base, row, min(turn + TURN + a_at.y, end - 1u));
    b_next = load_b(b_base, min(turn + TURN + b_at.y, end - 1u), column);
    for (var k = 0u; k < TURN; k++) {
      let x = a_tile[k * PITCH + lane / 16u];
      let y = b_tile[k * PITCH + lane % 16u];
      sums[0] += x.x * y;
      sums[1] += x.y * y;
      sums[2] += x.z * y;
      sums[3] += x.w * y;
    }
    workgroupBarrier();
  }
  return sums;
}
