// Weight rows as q4_0: 32 nibbles and one f16 scale a group, w = d * (q - 8). One vec4u a group of 32: low nibbles are
// elements 0..15, high nibbles 16..31. The 8 is taken off once a group, through the sum of x.
fn load_scale(index: u32) -> f32 {
  return unpack2x16float(scales[index / 2u])[index % 2u];
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let group = row * in_groups + quad / 8u;
  let word = weight[group][quad % 4u] >> select(0u, 4u, quad % 8u >= 4u);
  return load_scale(group) * (vec4f(unpack4xU8(word & 0x0f0f0f0fu)) - 8.0);
}

struct Fetched {
  q: vec4u,
  d: f32,
}

fn fetch_group(index: u32) -> Fetched {
  return Fetched(weight[index], load_scale(index));
}

fn dot_fetched(w: Fetched, x: Group, x_sum: f32) -> f32 {
  return w.d * (dot_nibbles(w.q, x) - 8.0 * x_sum);
}
