// scores[position + t] = (-log softmax(logits[t])[next], log Σ e^logits[t]), next = tokens[position + t + 1]: natural logarithms.
//   logits  [num_tokens, stride]  f32
//   tokens  [context]             u32; an id that is none counts as the last one
//   scores  [context, 2]          f32
// One workgroup a token; each thread strides over the row, twice.
const WORKGROUP_SIZE = 256u;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> scores: array<vec2f>;
@group(0) @binding(3) var<uniform> step: Step;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = id.x * stride;
  var highest = -3.4e38;
  for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
    highest = max(highest, logits[base + i]);
  }
  highest = reduce_max(lane, highest);
  var sum = 0.0;
  for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
    sum += exp(logits[base + i] - highest);
  }
  sum = reduce_sum(lane, sum);
  if (lane == 0u) {
    let at = step.position + id.x;
    let next = min(tokens[at + 1u], vocab_size - 1u);
    scores[at] = vec2f(highest - logits[base + next] + log(sum), highest + log(sum));
  }
}
