// The staged row is the cache row, its rope region rotated now: GQA whose keys were stored before rotation.
fn complete_tile(lane: u32, first_key: u32, keys: u32) {
  workgroupBarrier();
  for (var item = lane; item < HALF * keys; item += THREADS) {
    let to = item / HALF * PITCH + KEY_ROPE + item % HALF;
    put_turned(to, first_key + item / HALF, item % HALF, tile[to], tile[to + HALF]);
  }
}
