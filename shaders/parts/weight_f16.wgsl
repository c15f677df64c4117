// Weight rows as f16, two in a u32: 4 vec4u a group of 32. Arithmetic is f32, so shader-f16 is not needed.
fn decode_halves(words: vec2u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}
