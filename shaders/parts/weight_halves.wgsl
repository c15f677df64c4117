// What f16 and bf16 rows share: 4 vec4u a group of 32, two values in a u32, of which decode_halves makes f32.
fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  return decode_halves(select(pair.xy, pair.zw, quad % 2u == 1u));
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
  return dot(decode_halves(w.p.xy), x.a) + dot(decode_halves(w.p.zw), x.b) + dot(decode_halves(w.q.xy), x.c) + dot(decode_halves(w.q.zw), x.d)
    + dot(decode_halves(w.r.xy), x.e) + dot(decode_halves(w.r.zw), x.f) + dot(decode_halves(w.s.xy), x.g) + dot(decode_halves(w.s.zw), x.h);
}
