// The row of the step's one token comes from the projections. It is not read from the cache: every workgroup that needs it makes
// it, as the cache will keep it, staged, and one of each group stores it. Nobody waits for anybody.
const APPENDS = true;

// Of the rows before `end`, those that are new: the last, where a split ends with it.
fn own_rows(end: u32) -> u32 {
  return select(0u, 1u, end == step.position + 1u);
}

// Loops and not conditions: software adapters run through what a condition skips.
fn append_row(lane: u32, group: u32, slot: u32, count: u32, stores: bool) {
  for (var quad = lane; quad < count * LOAD_QUADS; quad += THREADS) {
    put_own(slot + quad, stage_new(group, step.position, quad));
  }
  for (var block = lane; block < select(0u, count * ROW_BLOCKS, stores); block += THREADS) {
    store_row_block(0u, group, step.position, block);
  }
}
