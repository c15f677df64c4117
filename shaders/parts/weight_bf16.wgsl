// Weight rows as bfloat16, two in a u32: the upper half of an f32, so a shift decodes it. 4 vec4u a group of 32.
fn decode_bf16(words: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  return decode_bf16(select(pair.xy, pair.zw, quad % 2u == 1u));
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
  return dot(decode_bf16(w.p.xy), x.a) + dot(decode_bf16(w.p.zw), x.b) + dot(decode_bf16(w.q.xy), x.c) + dot(decode_bf16(w.q.zw), x.d)
    + dot(decode_bf16(w.r.xy), x.e) + dot(decode_bf16(w.r.zw), x.f) + dot(decode_bf16(w.s.xy), x.g) + dot(decode_bf16(w.s.zw), x.h);
}
