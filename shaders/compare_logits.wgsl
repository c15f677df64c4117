// comparison[position + t] = (KL(softmax(other[t]) || softmax(logits[t])), 1 if both have the same largest logit, else 0)
//   KL = Σ_i p_i (log p_i - log q_i), p of `other` (the reference), q of `logits`: in nats
//   logits, other               [num_tokens, stride]  f32
//   scores, other_scores        [context, 2]          f32, from score_tokens: log Σ e^logits stands second
//   comparison                  [context, 2]          f32
// One workgroup a token; each thread strides over both rows. Equal largest logits: the lowest index, as argmax_partial has it.
const WORKGROUP_SIZE = 256u;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> other: array<f32>;
@group(0) @binding(2) var<storage, read> scores: array<vec2f>;
@group(0) @binding(3) var<storage, read> other_scores: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> comparison: array<vec2f>;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = id.x * stride;
  let at = step.position + id.x;
  let lse = scores[at].y;
  let other_lse = other_scores[at].y;
  var sum = 0.0;
  var best = vec2f(-3.4e38);
  var index = vec2u(0xffffffffu);
  for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
    let logit = vec2f(logits[base + i], other[base + i]);
    // Differences of logits and of their sums apart: both are small index the models are alike.
    sum += exp(logit.y - other_lse) * ((logit.y - logit.x) - (other_lse - lse));
    let higher = logit > best;
    best = select(best, logit, higher);
    index = select(index, vec2u(i), higher);
  }
  let divergence = reduce_sum(lane, sum);
  let top = reduce_max(lane, best.x);
  let other_top = reduce_max(lane, best.y);
  // Indices below 2^24 are exact as floats; the lowest of those that hold the maximum is the largest negative one.
  let first = reduce_max(lane, select(-3.4e38, -f32(index.x), best.x == top));
  let other_first = reduce_max(lane, select(-3.4e38, -f32(index.y), best.y == other_top));
  if (lane == 0u) {
    comparison[at] = vec2f(max(0.0, divergence), select(0.0, 1.0, first == other_first));
  }
}
