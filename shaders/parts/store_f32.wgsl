// One quad of a row, kept as it is.
alias cache_unit = vec4f;

fn store_block(t: u32, group: u32, position: u32, first: u32, end: u32) {
  cache[(group * max_len + position) * (row_dim / 4u) + first] = row_quad(t, group, position, first);
}
