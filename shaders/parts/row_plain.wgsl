// The staged row is the cache row: GQA with keys rotated when they were stored, and strict latents.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  return load_row4(group, position, quad);
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  return stored_quad(0u, group, position, quad);
}

fn turned_pair(quad: u32) -> u32 {
  return UNTURNED;
}

fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
