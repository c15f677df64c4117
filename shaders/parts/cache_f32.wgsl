// Cache rows as f32. One unit is 4 elements.
alias cache_unit = vec4f;

fn decode_cache(unit: cache_unit) -> vec4f {
  return unit;
}

fn encode_cache(value: vec4f) -> cache_unit {
  return value;
}
