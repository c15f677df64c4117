// LANES is 1: a thread has the whole row. For software adapters, where a barrier costs more than all else.
fn add_lanes(local: u32, own: RowSums) -> RowSums {
  return own;
}
