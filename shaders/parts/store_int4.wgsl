// A group of up to 8 quads of a row as int4 (src/core/cache_rows.ts): two quads a word.
alias cache_unit = u32;

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
