// One quad of a row as f16, two in a u32. Values beyond f16 are held at its largest, 65504.
alias cache_unit = vec2u;

fn store_block(t: u32, group: u32, position: u32, first: u32, end: u32) {
  let value = row_quad(t, group, position, first);
  let held = clamp(value, vec4f(-65504.0), vec4f(65504.0));
  let unit = vec2u(pack2x16float(held.xy), pack2x16float(held.zw));
  cache[(group * max_len + position) * (row_dim / 4u) + first] = unit;
}
