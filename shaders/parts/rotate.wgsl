// Rotary embedding on 4 pairs: rope_pairs names the frequency of each pair, rope_table [position][rope_frequencies] holds
// (cos, sin). The region of 2 * pairs values is half-split: element p turns together with element p + pairs.
fn rotate4(position: u32, pair: u32, own: vec4f, partner: vec4f, second_half: bool) -> vec4f {
  return rotate_by(turn4(position, pair), own, partner, second_half);
}

// Cosines and sines of 4 pairs.
fn turn4(position: u32, pair: u32) -> mat2x4f {
  let base = position * rope_frequencies;
  let a = rope_table[base + rope_pairs[pair]];
  let b = rope_table[base + rope_pairs[pair + 1u]];
  let c = rope_table[base + rope_pairs[pair + 2u]];
  let d = rope_table[base + rope_pairs[pair + 3u]];
  return mat2x4f(vec4f(a.x, b.x, c.x, d.x), vec4f(a.y, b.y, c.y, d.y));
}

fn rotate_by(turn: mat2x4f, own: vec4f, partner: vec4f, second_half: bool) -> vec4f {
  return own * turn[0] + select(-partner, partner, second_half) * turn[1];
}

// Two turns one after the other: the complex product of their cosines and sines.
fn turn_on(turn: mat2x4f, by: mat2x4f) -> mat2x4f {
  return mat2x4f(turn[0] * by[0] - turn[1] * by[1], turn[1] * by[0] + turn[0] * by[1]);
}
