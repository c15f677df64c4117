// Weight rows as f32: 8 vec4 a group of 32.
fn load_weight4(row: u32, quad: u32) -> vec4f {
  return bitcast<vec4f>(weight[row * in_groups * 8u + quad]);
}

fn dot_weight(row: u32, group: u32, x: ptr<function, array<vec4f, 8>>, x_sum: f32) -> f32 {
  let at = (row * in_groups + group) * 8u;
  var sum = 0.0;
  for (var j = 0u; j < 8u; j++) {
    sum += dot(bitcast<vec4f>(weight[at + j]), (*x)[j]);
  }
  return sum;
}
