// The staged row is the cache row: GQA with keys rotated when they were stored, and strict latents.
fn complete_tile(lane: u32, first_key: u32, keys: u32) {}
