fn add_bias(y: vec2f, row: u32) -> vec2f {
  return y + vec2f(bias[row_offset + row], bias[row_offset + min(row + 1u, out_dim - 1u)]);
}
