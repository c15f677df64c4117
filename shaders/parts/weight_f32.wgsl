// Weight rows as f32: 8 vec4 a group of 32.
fn load_weight4(row: u32, quad: u32) -> vec4f {
  return bitcast<vec4f>(weight[row * in_groups * 8u + quad]);
}

fn dot_weight(row: u32, group: u32, x: Group, x_sum: f32) -> f32 {
  let at = (row * in_groups + group) * 8u;
  return dot(bitcast<vec4f>(weight[at]), x.a) + dot(bitcast<vec4f>(weight[at + 1u]), x.b)
    + dot(bitcast<vec4f>(weight[at + 2u]), x.c) + dot(bitcast<vec4f>(weight[at + 3u]), x.d)
    + dot(bitcast<vec4f>(weight[at + 4u]), x.e) + dot(bitcast<vec4f>(weight[at + 5u]), x.f)
    + dot(bitcast<vec4f>(weight[at + 6u]), x.g) + dot(bitcast<vec4f>(weight[at + 7u]), x.h);
}
