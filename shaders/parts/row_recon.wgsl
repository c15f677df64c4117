// Staged: [c_kv | rotate(rope_rebuild c_kv + bias)]; rope_map is rope_rebuild transposed, [kv_lora_rank, rope_dim], then the bias.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  return load_row4(group, position, quad);
}

fn turned_pair(quad: u32) -> u32 {
  return UNTURNED;
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  return stored_quad(0u, group, position, quad);
}

// A thread makes 4 pairs of 4 rows: what it loads of the map serves all 4.
fn complete_tile(lane: u32, first_key: u32, keys: u32) {
  workgroupBarrier();
  for (var item = lane; item < HALF * ((keys + 3u) / 4u); item += THREADS) {
    let pair = item % HALF;
    let key = item / HALF * 4u;
    let rows = min(vec4u(key, key + 1u, key + 2u, key + 3u), vec4u(keys - 1u)) * PITCH;
    let bias = ROW_QUADS * 4u * 2u * HALF + pair;
    var re = mat4x4f(rope_map[bias], rope_map[bias], rope_map[bias], rope_map[bias]);
    var im = mat4x4f(rope_map[bias + HALF], rope_map[bias + HALF], rope_map[bias + HALF], rope_map[bias + HALF]);
    for (var quad = 0u; quad < ROW_QUADS; quad++) {
      let x = mat4x4f(tile[rows.x + quad], tile[rows.y + quad], tile[rows.z + quad], tile[rows.w + quad]);
      let at = quad * 8u * HALF + pair;
      re += map_columns(at) * x;
      im += map_columns(at + HALF) * x;
    }
    for (var r = 0u; r < 4u; r++) {
      let position = first_key + min(key + r, keys - 1u);
      let to = rows[r] + ROW_QUADS + pair;
      // Rows behind the last are copies of it, written by the same thread.
      tile[to] = rotate4(position, pair * 4u, re[r], im[r], false);
      tile[to + HALF] = rotate4(position, pair * 4u, im[r], re[r], true);
    }
  }
}

fn map_columns(at: u32) -> mat4x4f {
  return mat4x4f(rope_map[at], rope_map[at + 2u * HALF], rope_map[at + 4u * HALF], rope_map[at + 6u * HALF]);
}
