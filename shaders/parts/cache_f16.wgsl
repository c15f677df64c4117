// Cache rows as f16, two in a u32. load_row4: values 4 quad .. 4 quad + 3 of a row.
alias cache_unit = vec2u;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  let unit = cache[(group * max_len + position) * (row_dim / 4u) + quad];
  return vec4f(unpack2x16float(unit.x), unpack2x16float(unit.y));
}
