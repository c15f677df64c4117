// The staged row is the cache row, its rope region rotated now: GQA whose keys were stored before rotation.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  let own = load_row4(group, position, quad);
  if (turned_pair(quad) == UNTURNED) {
    return own;
  }
  let second_half = quad - KEY_ROPE >= HALF;
  let partner = load_row4(group, position, select(quad + HALF, quad - HALF, second_half));
  return rotate_by(turn, own, partner, second_half);
}

fn turned_pair(quad: u32) -> u32 {
  if (quad < KEY_ROPE || quad >= KEY_ROPE + 2u * HALF) {
    return UNTURNED;
  }
  return (quad - KEY_ROPE) % HALF * 4u;
}

fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
