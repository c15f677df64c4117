// Cache rows as int4 in groups of 32 (src/core/cache_rows.ts); position 0 is exact. load_row4: values 4 quad .. 4 quad + 3.
alias cache_unit = u32;

fn load_row4(group: u32, position: u32, quad: u32) -> vec4f {
  if (position == 0u) {
    let at = exact_word + group * row_dim + quad * 4u;
    return bitcast<vec4f>(vec4u(cache[at], cache[at + 1u], cache[at + 2u], cache[at + 3u]));
  }
  let base = (group * max_len + position) * row_words;
  let second = quad >= split_dim / 4u;
  let within = quad - select(0u, split_dim / 4u, second);
  let scale = unpack2x16float(cache[base + select(scale_word, second_scale_word, second) + within / 8u]);
  let word = cache[base + select(0u, second_word, second) + within / 2u] >> (within % 2u * 4u);
  return scale.x * vec4f(unpack4xU8(word & 0x0f0f0f0fu)) + scale.y;
}
