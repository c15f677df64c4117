// Cache rows as int8 in groups of 32 (src/core/cache_rows.ts); position 0 is exact. load_row4: values 4 quad .. 4 quad + 3.
alias cache_unit = u32;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  if (position == 0u) {
    let at = exact_word + group * row_dim + quad * 4u;
    return bitcast<vec4f>(vec4u(cache[at], cache[at + 1u], cache[at + 2u], cache[at + 3u]));
  }
  let base = (group * max_len + position) * row_words;
  let within = quad - select(0u, split_dim / 4u, quad >= split_dim / 4u);
  let scales = base + select(scale_word, second_scale_word, quad >= split_dim / 4u);
  let scale = unpack2x16float(cache[scales + within / 8u]);
  return scale.x * vec4f(unpack4xU8(cache[base + quad])) + scale.y;
}
