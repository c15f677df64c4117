// The staged row is the cache row, its rope region rotated now: GQA whose keys were stored before rotation.
fn stage_quad(group: u32, position: u32, quad: u32) -> vec4f {
  let own = load_row4(group, position, quad);
  if (quad < KEY_ROPE || quad >= KEY_ROPE + 2u * HALF) {
    return own;
  }
  let within = quad - KEY_ROPE;
  let second_half = within >= HALF;
  let partner = load_row4(group, position, select(quad + HALF, quad - HALF, second_half));
  return rotate4(position, select(within, within - HALF, second_half) * 4u, own, partner, second_half);
}

fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
