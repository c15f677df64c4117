// A group of q4_0 (parts/packed_nibbles): w = d (q - 8).
fn load_packed(index: u32) -> Packed {
  let d = unpack2x16float(scales[index / 2u])[index % 2u];
  return Packed(weight[index], vec2f(d / 16.0, 0.0));
}
