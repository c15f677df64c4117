// The matrix is applied to x as it is.
fn weigh_input(x: vec4f, quad: u32) -> vec4f {
  return x;
}

fn input_scale(sum_of_squares: f32) -> f32 {
  return 1.0;
}
