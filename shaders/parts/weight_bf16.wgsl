// Weight rows as bfloat16, two in a u32: the upper half of an f32, so a shift decodes it. 4 vec4u a group of 32.
fn decode_bf16(words: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  return decode_bf16(select(pair.xy, pair.zw, quad % 2u == 1u));
}

fn dot_weight(row: u32, group: u32, x: Group, x_sum: f32) -> f32 {
  let at = (row * in_groups + group) * 4u;
  let p = weight[at];
  let q = weight[at + 1u];
  let r = weight[at + 2u];
  let s = weight[at + 3u];
  return dot(decode_bf16(p.xy), x.a) + dot(decode_bf16(p.zw), x.b) + dot(decode_bf16(q.xy), x.c) + dot(decode_bf16(q.zw), x.d)
    + dot(decode_bf16(r.xy), x.e) + dot(decode_bf16(r.zw), x.f) + dot(decode_bf16(s.xy), x.g) + dot(decode_bf16(s.zw), x.h);
}
