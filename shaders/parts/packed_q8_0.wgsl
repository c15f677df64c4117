// A group of q8_0: w = d q.
struct Packed {
  low: vec4u,
  high: vec4u,
  steps: vec2f, // scale, and the group's minimum
}

fn load_packed(index: u32) -> Packed {
  let d = unpack2x16float(scales[index / 2u])[index % 2u];
  return Packed(weight[index * 2u], weight[index * 2u + 1u], vec2f(d, 0.0));
}

fn low_half(packed: Packed) -> vec4u {
  return packed.low;
}

fn high_half(packed: Packed) -> vec4u {
  return packed.high;
}
