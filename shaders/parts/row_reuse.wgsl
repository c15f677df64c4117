// Staged: [c_kv | k_pe | k_pe rotated]; rope_map holds what is added to k_pe first.
fn complete_tile(lane: u32, first_key: u32, keys: u32) {
  workgroupBarrier();
  for (var item = lane; item < HALF * keys; item += THREADS) {
    let pair = item % HALF;
    let row = item / HALF * PITCH;
    let key = row + KEY_ROPE + pair;
    let re = tile[key] + rope_map[pair];
    let im = tile[key + HALF] + rope_map[pair + HALF];
    tile[key] = re;
    tile[key + HALF] = im;
    put_turned(row + ROW_QUADS + pair, first_key + item / HALF, pair, re, im);
  }
}
