// counts[id] gets its top bit set for every id in tokens[position ..][num_tokens]: "was in the prompt". The lower 31 bits
// count how often the sampler chose the id since.
//   tokens  [context]     u32
//   counts  [vocab_size]  u32, cleared before
// One thread a token.
@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.num_tokens) {
    return;
  }
  let token = tokens[step.position + id.x];
  if (token < vocab_size) {
    atomicOr(&counts[token], 0x80000000u);
  }
}
