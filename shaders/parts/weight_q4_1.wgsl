// Weight rows as q4_1: 32 nibbles, an f16 scale and an f16 minimum a group, w = d * q + m. One vec4u a group of 32: low
// nibbles are elements 0..15, high nibbles 16..31. The minimum is added once a group, through the sum of x.
fn load_weight4(row: u32, quad: u32) -> vec4f {
  let group = row * in_groups + quad / 8u;
  let word = weight[group][quad % 4u] >> select(0u, 4u, quad % 8u >= 4u);
  let scale = unpack2x16float(scales[group]);
  return scale.x * vec4f(unpack4xU8(word & 0x0f0f0f0fu)) + scale.y;
}

struct Fetched {
  q: vec4u,
  dm: u32,
}

fn fetch_group(index: u32) -> Fetched {
  return Fetched(weight[index], scales[index]);
}

fn dot_fetched(w: Fetched, x: Group, x_sum: f32) -> f32 {
  let scale = unpack2x16float(w.dm);
  return scale.x * dot_nibbles(w.q, x) + scale.y * x_sum;
}
