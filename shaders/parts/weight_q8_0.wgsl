// Weight rows as q8_0: 32 int8 and one f16 scale a group, w = d * q. 2 vec4u a group of 32.
fn load_scale(index: u32) -> f32 {
  return unpack2x16float(scales[index / 2u])[index % 2u];
}

fn load_weight4(row: u32, quad: u32) -> vec4f {
  let group = row * in_groups + quad / 8u;
  let word = weight[group * 2u + (quad % 8u) / 4u][quad % 4u];
  return load_scale(group) * vec4f(unpack4xI8(word));
}

fn dot_weight(row: u32, group: u32, x: ptr<function, array<vec4f, 8>>, x_sum: f32) -> f32 {
  let index = row * in_groups + group;
  var sum = 0.0;
  for (var j = 0u; j < 2u; j++) {
    let w = weight[index * 2u + j];
    sum += dot(vec4f(unpack4xI8(w.x)), (*x)[4u * j]);
    sum += dot(vec4f(unpack4xI8(w.y)), (*x)[4u * j + 1u]);
    sum += dot(vec4f(unpack4xI8(w.z)), (*x)[4u * j + 2u]);
    sum += dot(vec4f(unpack4xI8(w.w)), (*x)[4u * j + 3u]);
  }
  return load_scale(index) * sum;
}
