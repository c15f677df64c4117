// Weight rows as f32: 8 vec4 a group of 32.
fn load_weight4(row: u32, quad: u32) -> vec4f {
  return bitcast<vec4f>(weight[row * in_groups * 8u + quad]);
}

alias Fetched = Group;

fn fetch_group(index: u32) -> Fetched {
  let at = index * 8u;
  return Fetched(bitcast<vec4f>(weight[at]), bitcast<vec4f>(weight[at + 1u]), bitcast<vec4f>(weight[at + 2u]), bitcast<vec4f>(weight[at + 3u]),
    bitcast<vec4f>(weight[at + 4u]), bitcast<vec4f>(weight[at + 5u]), bitcast<vec4f>(weight[at + 6u]), bitcast<vec4f>(weight[at + 7u]));
}

fn dot_fetched(w: Fetched, x: Group, x_sum: f32) -> f32 {
  return dot(w.a, x.a) + dot(w.b, x.b) + dot(w.c, x.c) + dot(w.d, x.d) + dot(w.e, x.e) + dot(w.f, x.f) + dot(w.g, x.g) + dot(w.h, x.h);
}
