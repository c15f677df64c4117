// received[n] = Σ_g Σ_i received_parts[g, i, n] and histogram[g, δ] += Σ over tiles and diagonals with t - n = δ of
// distance_parts, i.e. Σ p_tn² that a token receives and Σ p_tn a[t, h] by distance.
//   received_parts, distance_parts   as attention_reach leaves them
//   received   [num_tokens]          f32, overwritten
//   histogram  [groups, max_tokens]  f32, added to
// One thread for one sum: first the tokens, then the distances of each group.
@group(0) @binding(0) var<storage, read> received_parts: array<f32>;
@group(0) @binding(1) var<storage, read> distance_parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> received: array<f32>;
@group(0) @binding(3) var<storage, read_write> histogram: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x;
  if (n >= step.num_tokens) {
    return;
  }
  let tiles = (step.num_tokens + 63u) / 64u;
  if (id.y == 0u) {
    var sum = 0.0;
    for (var g = 0u; g < groups; g++) {
      for (var i = n / 64u; i < tiles; i++) {
        sum += received_parts[(g * TILES + i) * (TILES * 64u) + n];
      }
    }
    received[n] = sum;
    return;
  }
  let g = id.y - 1u;
  let apart = n / 64u;
  let rest = n % 64u;
  var sum = 0.0;
  for (var i = apart; i < tiles; i++) {
    sum += distance_parts[((g * TILES + i) * TILES + i - apart) * 128u + rest + 63u];
    if (rest > 0u && i > apart) {
      sum += distance_parts[((g * TILES + i) * TILES + i - apart - 1u) * 128u + rest - 1u];
    }
  }
  histogram[g * max_tokens + n] += sum;
}
