// Rotates vectors of 2 `pairs` values, half-split, by the angles of their token, or back (`backwards`: the transpose, which is the
// gradient's way): out[t, v] = R_t x[t, v], where `accumulate` out[t, v] += R_t x[t, v].
//   x           [tokens, x_stride]      f32; vector v begins at x_offset + v * 2 pairs
//   out         [tokens, out_stride]    f32, likewise
//   rope_table  [tokens, rope_frequencies]  (cos, sin)        rope_pairs  [pairs]: frequency of each
// One thread a pair.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(2) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= vectors * pairs) {
    return;
  }
  let at = id.x / pairs * 2u * pairs + id.x % pairs;
  let turn = rope_table[id.y * rope_frequencies + rope_pairs[id.x % pairs]];
  let sine = select(turn.y, -turn.y, backwards);
  let source = id.y * x_stride + x_offset + at;
  let target_at = id.y * out_stride + out_offset + at;
  let a = x[source];
  let b = x[source + pairs];
  var first = a * turn.x - b * sine;
  var second = b * turn.x + a * sine;
  if (accumulate) {
    first += out[target_at];
    second += out[target_at + pairs];
  }
  out[target_at] = first;
  out[target_at + pairs] = second;
}
