// The matrix is applied to RMSNorm(x) = x * norm_weight / sqrt(mean(x²) + eps). The root commutes with the matrix, so it is
// applied to the result, and x is read once.
fn weigh_quad(value: vec4f, quad: u32) -> vec4f {
  return value * norm_weight[quad];
}

fn input_scale(sum_of_squares: f32) -> f32 {
  return inverseSqrt(sum_of_squares / f32(in_dim) + rms_norm_eps);
}
