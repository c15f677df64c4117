// A workgroup reads x once, neighbouring threads neighbouring quads; straight from memory every thread of a warp would touch a
// cache line of its own. 9 quads a group and not 8: threads at neighbouring groups then meet different banks. With lanes=subgroup.
const STAGES_X = true;
const thread_squares = 0.0;
var<workgroup> staged: array<vec4f, in_groups * 9u>;
var<workgroup> staged_squares: array<f32, WORKGROUP_SIZE / SPAN>;

fn stage_input(local: u32, base: u32) {
  var squares = 0.0;
  for (var quad = local; quad < in_groups * 8u; quad += WORKGROUP_SIZE) {
    let value = x[base + quad];
    squares += dot(value, value);
    staged[quad + quad / 8u] = weigh_quad(value, quad);
  }
  let sum = add_span(RowSums(RowValues(), squares)).squares;
  if (local % SPAN == 0u) {
    staged_squares[local / SPAN] = sum;
  }
  workgroupBarrier();
}

fn input_group(base: u32, g: u32) -> Group {
  let at = g * 9u;
  return Group(staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u], staged[at + 4u], staged[at + 5u], staged[at + 6u], staged[at + 7u]);
}

fn all_squares(of_lanes: f32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < WORKGROUP_SIZE / SPAN; i++) {
    sum += staged_squares[i];
  }
  return sum;
}
