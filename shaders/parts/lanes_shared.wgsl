// Sums of the LANES threads of a row come together in workgroup memory, in halves; lane 0 has the total.
var<workgroup> lane_rows: array<RowValues, WORKGROUP_SIZE>;
var<workgroup> lane_squares: array<f32, WORKGROUP_SIZE>;

fn add_lanes(local: u32, own: RowSums) -> RowSums {
  var total = own;
  lane_rows[local] = own.rows;
  lane_squares[local] = own.squares;
  for (var span = LANES / 2u; span > 0u; span /= 2u) {
    workgroupBarrier();
    if (local % LANES < span) {
      total.rows += lane_rows[local + span];
      total.squares += lane_squares[local + span];
      lane_rows[local] = total.rows;
      lane_squares[local] = total.squares;
    }
  }
  return total;
}
