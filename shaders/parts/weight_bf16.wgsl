// Weight rows as bfloat16, two in a u32: the upper half of an f32, so a shift decodes it. 4 vec4u a group of 32.
fn decode_halves(words: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}
