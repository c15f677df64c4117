// Weight rows as bfloat16, two in a u32: the upper half of an f32, so a shift decodes it. 4 vec4u a group of 32.
fn decode_bf16(words: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  return decode_bf16(select(pair.xy, pair.zw, quad % 2u == 1u));
}

fn dot_weight(row: u32, group: u32, x: ptr<function, array<vec4f, 8>>, x_sum: f32) -> f32 {
  let at = (row * in_groups + group) * 4u;
  var sum = 0.0;
  for (var j = 0u; j < 4u; j++) {
    let w = weight[at + j];
    sum += dot(decode_bf16(w.xy), (*x)[2u * j]);
    sum += dot(decode_bf16(w.zw), (*x)[2u * j + 1u]);
  }
  return sum;
}
