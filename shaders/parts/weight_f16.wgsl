// Weight rows as f16, two in a u32: 4 vec4u a group of 32. Arithmetic is f32, so shader-f16 is not needed.
fn decode_f16(words: vec2u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  return decode_f16(select(pair.xy, pair.zw, quad % 2u == 1u));
}

fn dot_weight(row: u32, group: u32, x: Group, x_sum: f32) -> f32 {
  let at = (row * in_groups + group) * 4u;
  let p = weight[at];
  let q = weight[at + 1u];
  let r = weight[at + 2u];
  let s = weight[at + 3u];
  return dot(decode_f16(p.xy), x.a) + dot(decode_f16(p.zw), x.b) + dot(decode_f16(q.xy), x.c) + dot(decode_f16(q.zw), x.d)
    + dot(decode_f16(r.xy), x.e) + dot(decode_f16(r.zw), x.f) + dot(decode_f16(s.xy), x.g) + dot(decode_f16(s.zw), x.h);
}
