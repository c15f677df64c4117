// Cache rows as f32. load_row4: values 4 quad .. 4 quad + 3 of a row.
alias cache_unit = vec4f;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  return cache[(group * max_len + position) * (row_dim / 4u) + quad];
}
