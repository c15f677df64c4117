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
