// x is read where it lies, by every thread for itself.
const STAGES_X = false;
var<private> thread_squares = 0.0;

fn stage_input(local: u32, base: u32) {}

fn input_group(base: u32, g: u32) -> Group {
  let at = g * 8u;
  return Group(input_quad(base, at), input_quad(base, at + 1u), input_quad(base, at + 2u), input_quad(base, at + 3u),
    input_quad(base, at + 4u), input_quad(base, at + 5u), input_quad(base, at + 6u), input_quad(base, at + 7u));
}

fn input_quad(base: u32, quad: u32) -> vec4f {
  let value = x[base + quad];
  thread_squares += dot(value, value);
  return weigh_quad(value, quad);
}

fn all_squares(of_lanes: f32) -> f32 {
  return of_lanes;
}
