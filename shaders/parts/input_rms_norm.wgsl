// The matrix is applied to RMSNorm(x) = x * norm_weight / sqrt(mean(x²) + eps). The root commutes with the matrix, so it is
// applied to the result, and x is read once.
fn weigh_input(x: Group, group: u32) -> Group {
  let at = group * 8u;
  return Group(
    x.a * norm_weight[at],
    x.b * norm_weight[at + 1u],
    x.c * norm_weight[at + 2u],
    x.d * norm_weight[at + 3u],
    x.e * norm_weight[at + 4u],
    x.f * norm_weight[at + 5u],
    x.g * norm_weight[at + 6u],
    x.h * norm_weight[at + 7u],
  );
}

fn input_scale(sum_of_squares: f32) -> f32 {
  return inverseSqrt(sum_of_squares / f32(in_dim) + rms_norm_eps);
}
