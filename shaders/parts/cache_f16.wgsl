// Cache rows as f16, two in a u32. load_row4: values 4 quad .. 4 quad + 3 of a row; store_block writes one quad of a new row,
// stored_quad is what load_row4 will give of it. Values beyond f16 are held at its largest, 65504.
alias cache_unit = vec2u;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  return unpacked_row4(packed_row4(group, position, quad), quad);
}

fn store_block(t: u32, group: u32, position: u32, first: u32, end: u32) {
  cache[(group * max_len + position) * (row_dim / 4u) + first] = packed_quad(t, group, position, first);
}

fn stored_quad(t: u32, group: u32, position: u32, quad: u32) -> vec4f {
  let unit = packed_quad(t, group, position, quad);
  return vec4f(unpack2x16float(unit.x), unpack2x16float(unit.y));
}

fn packed_quad(t: u32, group: u32, position: u32, quad: u32) -> vec2u {
  let held = nearest_half(clamp(row_quad(t, group, position, quad), vec4f(-65504.0), vec4f(65504.0)));
  return vec2u(pack2x16float(held.xy), pack2x16float(held.zw));
}

const HAS_EXACT = false;

alias packed_row_quad = vec2u;

fn packed_row4(group: u32, position: u32, quad: u32) -> packed_row_quad {
  return cache[(group * max_len + position) * (row_dim / 4u) + quad];
}

fn unpacked_row4(unit: packed_row_quad, quad: u32) -> vec4f {
  return vec4f(unpack2x16float(unit.x), unpack2x16float(unit.y));
}

fn exact_quad(group: u32, quad: u32) -> vec4f {
  return vec4f(0.0);
}
