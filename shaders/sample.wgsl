// tokens[position + num_tokens] = a token drawn from softmax(penalised logits / temperature), cut by top_k, then top_p, then
// min_p, in transformers' order. Nothing is sorted: each cut is a threshold on the score, found by radix selection over the
// bits of the score (8 bits a pass, counts or fixed-point probabilities in a histogram); the draw is a Gumbel argmax over what
// is above the threshold: argmax(score - log(-log u)), u = uniform(seed, position, id).
//   logits  [vocab_size]  f32
//   counts  [vocab_size]  u32: top bit "in the prompt", lower bits how often it was generated; the drawn id counts one more
//   scores  [vocab_size]  f32, scratch
// One workgroup. Equal scores at a threshold are all kept.
const WORKGROUP_SIZE = 256u;
const NO_TOKEN = 0xffffffffu;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(4) var<uniform> sampling: Sampling;
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;
var<workgroup> indices: array<u32, WORKGROUP_SIZE>;
var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> prefix: u32;
var<workgroup> remaining: u32;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  var highest = -3.4e38;
  for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
    let score = penalise(logits[i], counts[i]) / sampling.temperature;
    scores[i] = score;
    highest = max(highest, score);
  }
  highest = reduce_max(lane, highest);

  var threshold = 0u;
  if (sampling.greedy == 0u) {
    if (sampling.top_k > 0u && sampling.top_k < vocab_size) {
      threshold = select_threshold(lane, threshold, sampling.top_k, false, highest, 1.0);
    }
    if (sampling.top_p < 1.0) {
      var mass = 0.0;
      for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
        if (order(scores[i]) >= threshold) {
          mass += exp(scores[i] - highest);
        }
      }
      mass = reduce_sum(lane, mass);
      threshold = select_threshold(lane, threshold, u32(sampling.top_p * 2147483648.0), true, highest, mass);
    }
    if (sampling.min_p > 0.0) {
      threshold = max(threshold, order(highest + log(sampling.min_p)));
    }
  }

  var best = -3.4e38;
  var chosen = NO_TOKEN;
  for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
    if (order(scores[i]) >= threshold) {
      var value = scores[i];
      if (sampling.greedy == 0u) {
        value -= log(-log(uniform_number(sampling.seed, step.position + step.num_tokens, i)));
      }
      if (value > best) {
        best = value;
        chosen = i;
      }
    }
  }
  values[lane] = best;
  indices[lane] = chosen;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < WORKGROUP_SIZE; i++) {
      if (values[i] > best || (values[i] == best && indices[i] < chosen)) {
        best = values[i];
        chosen = indices[i];
      }
    }
    tokens[step.position + step.num_tokens] = chosen;
    if (chosen != NO_TOKEN) {
      counts[chosen] += 1u;
    }
  }
}

fn penalise(logit: f32, count: u32) -> f32 {
  if (count == 0u) {
    return logit;
  }
  let repeated = select(logit * sampling.repetition_penalty, logit / sampling.repetition_penalty, logit > 0.0);
  let generated = count & 0x7fffffffu;
  return repeated - select(0.0, sampling.presence_penalty, generated > 0u) - f32(generated) * sampling.frequency_penalty;
}
