// Weight rows as f16, two in a u32: 4 vec4u a group of 32. Arithmetic is f32, so shader-f16 is not needed.
fn load_weight4(row: u32, quad: u32) -> vec4f {
  let pair = weight[row * in_groups * 4u + quad / 2u];
  let words = select(pair.xy, pair.zw, quad % 2u == 1u);
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn dot_weight(row: u32, group: u32, x: ptr<function, array<vec4f, 8>>, x_sum: f32) -> f32 {
  let at = (row * in_groups + group) * 4u;
  var sum = 0.0;
  for (var j = 0u; j < 4u; j++) {
    let w = weight[at + j];
    sum += dot(vec4f(unpack2x16float(w.x), unpack2x16float(w.y)), (*x)[2u * j]);
    sum += dot(vec4f(unpack2x16float(w.z), unpack2x16float(w.w)), (*x)[2u * j + 1u]);
  }
  return sum;
}
