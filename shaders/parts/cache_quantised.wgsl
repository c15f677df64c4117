// What int8 and int4 share of storing a new row: the row of position 0 as f32, and steps and minima of groups of quads.
const HAS_EXACT = true;

fn exact_quad(group: u32, quad: u32) -> vec4f {
  let at = exact_word + group * row_dim + quad * 4u;
  return bitcast<vec4f>(vec4u(cache[at], cache[at + 1u], cache[at + 2u], cache[at + 3u]));
}

fn store_exact(t: u32, group: u32, first: u32, end: u32) {
  for (var quad = first; quad < end; quad++) {
    let words = bitcast<vec4u>(row_quad(t, group, 0u, quad));
    let at = exact_word + group * row_dim + quad * 4u;
    cache[at] = words.x;
    cache[at + 1u] = words.y;
    cache[at + 2u] = words.z;
    cache[at + 3u] = words.w;
  }
}

// (step, minimum) as two f16, for quants 0 .. levels. Both are rounded before values are, so that values are rounded to what
// will be read; beyond f16 they are held.
fn group_scale(t: u32, group: u32, position: u32, first: u32, end: u32, levels: f32) -> u32 {
  var lowest = vec4f(65504.0);
  var highest = vec4f(-65504.0);
  for (var quad = first; quad < end; quad++) {
    let value = row_quad(t, group, position, quad);
    lowest = min(lowest, value);
    highest = max(highest, value);
  }
  let low = max(min(min(lowest.x, lowest.y), min(lowest.z, lowest.w)), -65504.0);
  let high = max(max(highest.x, highest.y), max(highest.z, highest.w));
  let minimum = nearest_half(vec4f(low)).x;
  let step_size = clamp((high - minimum) / levels, 0.0, 65504.0);
  return pack2x16float(nearest_half(vec4f(step_size, minimum, 0.0, 0.0)).xy);
}

fn quants(value: vec4f, scale: vec2f, levels: f32) -> vec4u {
  let inverse = select(0.0, 1.0 / max(scale.x, 1e-30), scale.x > 0.0);
  return vec4u(clamp(round((value - scale.y) * inverse), vec4f(0.0), vec4f(levels)));
}

// Of a new row: the quad as it will be read.
fn quantised_quad(t: u32, group: u32, position: u32, quad: u32, levels: f32) -> vec4f {
  let value = row_quad(t, group, position, quad);
  if (position == 0u) {
    return value;
  }
  let second = quad >= SPLIT_QUADS;
  let start = select(0u, SPLIT_QUADS, second);
  let first = start + (quad - start) / 8u * 8u;
  let end = min(first + 8u, select(SPLIT_QUADS, row_dim / 4u, second));
  let scale = unpack2x16float(group_scale(t, group, position, first, end, levels));
  return scale.x * vec4f(quants(value, scale, levels)) + scale.y;
}
