// 32 values of x in registers. Named fields and not an array: an index that a compiler does not see through puts an array
// into memory (on SwiftShader always, on others sometimes).
struct Group {
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
  e: vec4f,
  f: vec4f,
  g: vec4f,
  h: vec4f,
}

// Σ q x over the 32 nibbles of a 4-bit group: low nibbles are elements 0..15, high nibbles 16..31.
fn dot_nibbles(w: vec4u, x: Group) -> f32 {
  let low = w & vec4u(0x0f0f0f0fu);
  let high = (w >> vec4u(4u)) & vec4u(0x0f0f0f0fu);
  return dot(vec4f(unpack4xU8(low.x)), x.a) + dot(vec4f(unpack4xU8(low.y)), x.b)
    + dot(vec4f(unpack4xU8(low.z)), x.c) + dot(vec4f(unpack4xU8(low.w)), x.d)
    + dot(vec4f(unpack4xU8(high.x)), x.e) + dot(vec4f(unpack4xU8(high.y)), x.f)
    + dot(vec4f(unpack4xU8(high.z)), x.g) + dot(vec4f(unpack4xU8(high.w)), x.h);
}
