// The staged row is the cache row, its rope region rotated now: GQA whose keys were stored before rotation.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  let own = load_row4(group, position, quad);
  if (turned_pair(quad) == UNTURNED) {
    return own;
  }
  return rotate_by(turn, own, load_row4(group, position, partner_of(quad)), quad - KEY_ROPE >= HALF);
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  let own = stored_quad(0u, group, position, quad);
  if (turned_pair(quad) == UNTURNED) {
    return own;
  }
  let partner = stored_quad(0u, group, position, partner_of(quad));
  return rotate_by(turn4(position, turned_pair(quad)), own, partner, quad - KEY_ROPE >= HALF);
}

fn partner_of(quad: u32) -> u32 {
  return select(quad + HALF, quad - HALF, quad - KEY_ROPE >= HALF);
}

fn turned_pair(quad: u32) -> u32 {
  if (quad < KEY_ROPE || quad >= KEY_ROPE + 2u * HALF) {
    return UNTURNED;
  }
  return (quad - KEY_ROPE) % HALF * 4u;
}

fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
