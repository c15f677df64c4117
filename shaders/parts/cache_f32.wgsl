// Cache rows as f32. load_row4: values 4 quad .. 4 quad + 3 of a row; store_block writes one quad of a new row, stored_quad is
// what load_row4 will give of it.
alias cache_unit = vec4f;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  return cache[(group * max_len + position) * (row_dim / 4u) + quad];
}

fn store_block(t: u32, group: u32, position: u32, first: u32, end: u32) {
  cache[(group * max_len + position) * (row_dim / 4u) + first] = row_quad(t, group, position, first);
}

fn stored_quad(t: u32, group: u32, position: u32, quad: u32) -> vec4f {
  return row_quad(t, group, position, quad);
}

const HAS_EXACT = false;

alias packed_row_quad = vec4f;

fn packed_row4(group: u32, position: u32, quad: u32) -> packed_row_quad {
  return load_row4(group, position, quad);
}

fn unpacked_row4(value: packed_row_quad, quad: u32) -> vec4f {
  return value;
}

fn exact_quad(group: u32, quad: u32) -> vec4f {
  return vec4f(0.0);
}
