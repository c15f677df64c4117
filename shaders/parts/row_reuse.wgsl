// Staged: [c_kv | k_pe | k_pe rotated]; rope_map holds what is added to k_pe first.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  if (quad < ROW_QUADS) {
    return content_quad(group, position, quad);
  }
  let within = quad - ROW_QUADS;
  let second_half = within >= HALF;
  let own = content_quad(group, position, KEY_ROPE + within);
  let partner = content_quad(group, position, KEY_ROPE + select(within + HALF, within - HALF, second_half));
  return rotate_by(turn, own, partner, second_half);
}

fn turned_pair(quad: u32) -> u32 {
  if (quad < ROW_QUADS) {
    return UNTURNED;
  }
  return (quad - ROW_QUADS) % HALF * 4u;
}

fn content_quad(group: u32, position: u32, quad: u32) -> vec4f {
  let value = load_row4(group, position, quad);
  if (quad < KEY_ROPE) {
    return value;
  }
  return value + rope_map[quad - KEY_ROPE];
}

fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
