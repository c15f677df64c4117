// The rows of the step's tokens lie in the cache already.
const APPENDS = false;

fn own_rows(end: u32) -> u32 {
  return 0u;
}

fn append_row(lane: u32, group: u32, slot: u32, count: u32, stores: bool) {}
