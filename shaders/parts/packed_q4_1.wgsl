// A group of q4_1 (parts/packed_nibbles): w = d (q - 8) + (m + 8 d).
fn load_packed(index: u32) -> Packed {
  let scale = unpack2x16float(scales[index]);
  return Packed(weight[index], vec2f(scale.x / 16.0, scale.y + 8.0 * scale.x));
}
