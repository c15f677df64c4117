// Nibbles q become bytes 16 (q - 8): bit 3 flipped makes q - 8 in two's complement, and the byte's upper half is 16 times that.
struct Packed {
  quants: vec4u,
  steps: vec2f, // scale of a byte, and the group's minimum
}

fn low_half(packed: Packed) -> vec4u {
  return ((packed.quants << vec4u(4u)) ^ vec4u(0x80808080u)) & vec4u(0xf0f0f0f0u);
}

fn high_half(packed: Packed) -> vec4u {
  return (packed.quants ^ vec4u(0x80808080u)) & vec4u(0xf0f0f0f0u);
}
