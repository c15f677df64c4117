// pcg3d (src/core/rng.ts), 23 bits in (0, 1).
fn uniform_number(seed: u32, position: u32, index: u32) -> f32 {
  var v = vec3u(seed, position, index) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  return (f32(v.x >> 9u) + 0.5) * 0x1p-23;
}
