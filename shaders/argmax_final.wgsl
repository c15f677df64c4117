// tokens[position + num_tokens] = index of the largest of the slices' best logits. Ties: lowest index.
//   best    [slices, 2]  f32 bits, u32: from matvec with output best
//   tokens  [context]    u32: the next step's embedding reads it, the host never has to
// One workgroup.
const WORKGROUP_SIZE = 64u;
@group(0) @binding(0) var<storage, read> best: array<vec2u>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;
var<workgroup> indices: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  var value = -3.4e38;
  var index = 0xffffffffu;
  for (var i = lane; i < slices; i += WORKGROUP_SIZE) {
    let candidate = bitcast<f32>(best[i].x);
    if (candidate > value) {
      value = candidate;
      index = best[i].y;
    }
  }
  values[lane] = value;
  indices[lane] = index;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < WORKGROUP_SIZE; i++) {
      if (values[i] > value || (values[i] == value && indices[i] < index)) {
        value = values[i];
        index = indices[i];
      }
    }
    tokens[step.position + step.num_tokens] = index;
  }
}
