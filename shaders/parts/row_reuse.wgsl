// Staged: [c_kv | k_pe | k_pe rotated]; rope_map holds what is added to k_pe first.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  if (quad < ROW_QUADS) {
    return content_quad(group, position, quad);
  }
  let own = content_quad(group, position, own_of(quad));
  return rotate_by(turn, own, content_quad(group, position, partner_of(quad)), quad - ROW_QUADS >= HALF);
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  let rotated = quad >= ROW_QUADS;
  let own = select(quad, own_of(quad), rotated);
  let partner = select(quad, partner_of(quad), rotated);
  let value = content(own, stored_quad(0u, group, position, own));
  let other = content(partner, stored_quad(0u, group, position, partner));
  if (!rotated) {
    return value;
  }
  return rotate_by(turn4(position, turned_pair(quad)), value, other, quad - ROW_QUADS >= HALF);
}

// Quads of the cache row that a quad of the rotated key is made of.
fn own_of(quad: u32) -> u32 {
  return KEY_ROPE + quad - ROW_QUADS;
}

fn partner_of(quad: u32) -> u32 {
  let within = quad - ROW_QUADS;
  return KEY_ROPE + select(within + HALF, within - HALF, within >= HALF);
}

fn turned_pair(quad: u32) -> u32 {
  if (quad < ROW_QUADS) {
    return UNTURNED;
  }
  return (quad - ROW_QUADS) % HALF * 4u;
}

fn content_quad(group: u32, position: u32, quad: u32) -> vec4f {
  return content(quad, load_row4(group, position, quad));
}

fn content(quad: u32, value: vec4f) -> vec4f {
  if (quad < KEY_ROPE) {
    return value;
  }
  return value + rope_map[quad - KEY_ROPE];
}

fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
