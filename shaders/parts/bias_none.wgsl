fn add_bias(y: vec2f, row: u32) -> vec2f {
  return y;
}
