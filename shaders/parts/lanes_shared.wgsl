// Sums of the LANES threads of a row come together in workgroup memory; lane 0 has the total.
var<workgroup> lane_rows: array<vec4f, WORKGROUP_SIZE>;
var<workgroup> lane_squares: array<f32, WORKGROUP_SIZE>;

fn add_lanes(local: u32, own: RowSums) -> RowSums {
  lane_rows[local] = own.rows;
  lane_squares[local] = own.squares;
  workgroupBarrier();
  var total = own;
  if (local % LANES == 0u) {
    for (var i = 1u; i < LANES; i++) {
      total.rows += lane_rows[local + i];
      total.squares += lane_squares[local + i];
    }
  }
  return total;
}
