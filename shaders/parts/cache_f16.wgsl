// Cache rows as f16, two in a u32. One unit is 4 elements. Values beyond f16 are held at its largest, 65504.
alias cache_unit = vec2u;

fn decode_cache(unit: cache_unit) -> vec4f {
  return vec4f(unpack2x16float(unit.x), unpack2x16float(unit.y));
}

fn encode_cache(value: vec4f) -> cache_unit {
  let held = clamp(value, vec4f(-65504.0), vec4f(65504.0));
  return vec2u(pack2x16float(held.xy), pack2x16float(held.zw));
}
