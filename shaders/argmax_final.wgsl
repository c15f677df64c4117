// tokens[position + num_tokens] = index of the largest of the slices' best logits. Ties: lowest index.
//   best    [slices, 2]  f32 bits, u32: from matvec with output best
//   tokens  [context]    u32: the next step's embedding reads it, the host never has to
// One workgroup.
const WORKGROUP_SIZE = 64u;
@group(0) @binding(0) var<storage, read> best: array<vec2u>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

var<private> best_value: f32;
var<private> best_index: u32;
var<workgroup> values: array<f32, WORKGROUP_SIZE>;
var<workgroup> indices: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  best_value = -3.4e38;
  best_index = 0xffffffffu;
  for (var i = lane; i < slices; i += WORKGROUP_SIZE) {
    offer(bitcast<f32>(best[i].x), best[i].y);
  }
  values[lane] = best_value;
  indices[lane] = best_index;
  workgroupBarrier();
  // By eights, so that no thread compares 64 one after another.
  for (var left = WORKGROUP_SIZE / 8u; left > 0u; left /= 8u) {
    if (lane < left) {
      for (var i = 1u; i < 8u; i++) {
        offer(values[lane + i * left], indices[lane + i * left]);
      }
      values[lane] = best_value;
      indices[lane] = best_index;
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    tokens[step.position + step.num_tokens] = best_index;
  }
}

fn offer(value: f32, index: u32) {
  if (value > best_value || (value == best_value && index < best_index)) {
    best_value = value;
    best_index = index;
  }
}
