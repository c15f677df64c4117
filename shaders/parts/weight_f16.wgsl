// Weight rows as f16, two in a u32: 4 vec4u a group of 32. Arithmetic is f32, so shader-f16 is not needed.
fn decode_f16(words: vec2u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  return decode_f16(select(pair.xy, pair.zw, quad % 2u == 1u));
}

struct Fetched {
  p: vec4u,
  q: vec4u,
  r: vec4u,
  s: vec4u,
}

fn fetch_group(index: u32) -> Fetched {
  let at = index * 4u;
  return Fetched(weight[at], weight[at + 1u], weight[at + 2u], weight[at + 3u]);
}

fn dot_fetched(w: Fetched, x: Group, x_sum: f32) -> f32 {
  return dot(decode_f16(w.p.xy), x.a) + dot(decode_f16(w.p.zw), x.b) + dot(decode_f16(w.q.xy), x.c) + dot(decode_f16(w.q.zw), x.d)
    + dot(decode_f16(w.r.xy), x.e) + dot(decode_f16(w.r.zw), x.f) + dot(decode_f16(w.s.xy), x.g) + dot(decode_f16(w.s.zw), x.h);
}
