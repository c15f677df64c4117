// Weight rows as q8_0: 32 int8 and one f16 scale a group, w = d * q. 2 vec4u a group of 32.
fn load_scale(index: u32) -> f32 {
  return unpack2x16float(scales[index / 2u])[index % 2u];
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let group = row * in_groups + quad / 8u;
  let word = weight[group * 2u + (quad % 8u) / 4u][quad % 4u];
  return load_scale(group) * vec4f(unpack4xI8(word));
}

struct Fetched {
  p: vec4u,
  q: vec4u,
  d: f32,
}

fn fetch_group(index: u32) -> Fetched {
  return Fetched(weight[index * 2u], weight[index * 2u + 1u], load_scale(index));
}

fn dot_fetched(w: Fetched, x: Group, x_sum: f32) -> f32 {
  let sum = dot(vec4f(unpack4xI8(w.p.x)), x.a) + dot(vec4f(unpack4xI8(w.p.y)), x.b)
    + dot(vec4f(unpack4xI8(w.p.z)), x.c) + dot(vec4f(unpack4xI8(w.p.w)), x.d)
    + dot(vec4f(unpack4xI8(w.q.x)), x.e) + dot(vec4f(unpack4xI8(w.q.y)), x.f)
    + dot(vec4f(unpack4xI8(w.q.z)), x.g) + dot(vec4f(unpack4xI8(w.q.w)), x.h);
  return w.d * sum;
}
