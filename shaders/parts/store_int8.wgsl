// A group of up to 8 quads of a row as int8 (src/core/cache_rows.ts).
alias cache_unit = u32;

fn store_block(t: u32, group: u32, position: u32, first: u32, end: u32) {
  if (position == 0u) {
    store_exact(t, group, first, end);
    return;
  }
  let second = first >= split_dim / 4u;
  let within = first - select(0u, split_dim / 4u, second);
  let base = (group * max_len + position) * row_words;
  let packed = group_scale(t, group, position, first, end, 255.0);
  let scale = unpack2x16float(packed);
  cache[base + select(scale_word, second_scale_word, second) + within / 8u] = packed;
  for (var quad = first; quad < end; quad++) {
    let q = quants(row_quad(t, group, position, quad), scale, 255.0);
    cache[base + quad] = q.x | (q.y << 8u) | (q.z << 16u) | (q.w << 24u);
  }
}
