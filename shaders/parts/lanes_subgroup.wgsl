enable subgroups;
// Sums of the LANES threads of a row come together by shuffles, those of several subgroups in workgroup memory; lane 0 has the
// total. Lanes are neighbours in local_invocation_index and a subgroup has at least SUBGROUP of them, as in attention_decode.
const SPAN = min(LANES, SUBGROUP);
var<workgroup> span_sums: array<RowSums, WORKGROUP_SIZE / SPAN>;

fn add_lanes(local: u32, own: RowSums) -> RowSums {
  let sums = add_span(own);
  if (LANES == SPAN) {
    return sums;
  }
  if (local % SPAN == 0u) {
    span_sums[local / SPAN] = sums;
  }
  workgroupBarrier();
  var total = RowSums();
  for (var i = 0u; i < LANES / SPAN; i++) {
    let other = span_sums[local / LANES * (LANES / SPAN) + i];
    total.rows += other.rows;
    total.squares += other.squares;
  }
  return total;
}

// No loop: see team_sum of attention_decode.
fn add_span(own: RowSums) -> RowSums {
  var total = own;
  if (SPAN > 16u) {
    total = add_other(total, 16u);
  }
  if (SPAN > 8u) {
    total = add_other(total, 8u);
  }
  if (SPAN > 4u) {
    total = add_other(total, 4u);
  }
  if (SPAN > 2u) {
    total = add_other(total, 2u);
  }
  if (SPAN > 1u) {
    total = add_other(total, 1u);
  }
  return total;
}

fn add_other(own: RowSums, distance: u32) -> RowSums {
  return RowSums(own.rows + subgroupShuffleXor(own.rows, distance), own.squares + subgroupShuffleXor(own.squares, distance));
}
