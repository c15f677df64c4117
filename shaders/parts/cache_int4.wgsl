// Cache rows as int4 in groups of 32 (src/core/cache_rows.ts), two quads a word; position 0 is exact. load_row4: values
// 4 quad .. 4 quad + 3; store_block writes a group of up to 8 quads of a new row, stored_quad is what load_row4 will give of it.
alias cache_unit = u32;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  if (position == 0u) {
    return exact_quad(group, quad);
  }
  return unpacked_row4(packed_row4(group, position, quad), quad);
}

alias packed_row_quad = vec2u; // quants of two quads, scale

fn packed_row4(group: u32, position: u32, quad: u32) -> packed_row_quad {
  let base = (group * max_len + position) * row_words;
  let second = quad >= split_dim / 4u;
  let within = quad - select(0u, split_dim / 4u, second);
  return vec2u(cache[base + select(0u, second_word, second) + within / 2u], cache[base + select(scale_word, second_scale_word, second) + within / 8u]);
}

fn unpacked_row4(unit: packed_row_quad, quad: u32) -> vec4f {
  let scale = unpack2x16float(unit.y);
  let within = quad - select(0u, split_dim / 4u, quad >= split_dim / 4u);
  return scale.x * vec4f(unpack4xU8((unit.x >> (within % 2u * 4u)) & 0x0f0f0f0fu)) + scale.y;
}

fn store_block(t: u32, group: u32, position: u32, first: u32, end: u32) {
  if (position == 0u) {
    store_exact(t, group, first, end);
    return;
  }
  let second = first >= split_dim / 4u;
  let within = first - select(0u, split_dim / 4u, second);
  let base = (group * max_len + position) * row_words;
  let packed = group_scale(t, group, position, first, end, 15.0);
  let scale = unpack2x16float(packed);
  cache[base + select(scale_word, second_scale_word, second) + within / 8u] = packed;
  let words = base + select(0u, second_word, second) + within / 2u;
  for (var quad = first; quad < end; quad += 2u) {
    var q = quants(row_quad(t, group, position, quad), scale, 15.0);
    if (quad + 1u < end) {
      q |= quants(row_quad(t, group, position, quad + 1u), scale, 15.0) << vec4u(4u);
    }
    cache[words + (quad - first) / 2u] = q.x | (q.y << 8u) | (q.z << 16u) | (q.w << 24u);
  }
}

fn stored_quad(t: u32, group: u32, position: u32, quad: u32) -> vec4f {
  return quantised_quad(t, group, position, quad, 15.0);
}
