// For software adapters, to which a thread at a barrier is dear: every thread reads what it multiplies.
fn score_tile(head: u32, first_query: u32, first_key: u32, lane: u32) -> mat4x4f {
  let last = step.num_tokens - 1u;
  let keys = min(vec4u(first_key + lane % 16u) + vec4u(0u, 16u, 32u, 48u), vec4u(last));
  let at = (head / heads_per_group * max_len + keys) * (row_dim / 4u);
  var scores: mat4x4f;
  for (var r = 0u; r < 4u; r++) {
    let query = min(first_query + lane / 16u + 16u * r, last);
    var sum = vec4f(0.0);
    for (var quad = 0u; quad < QUADS; quad++) {
      let q4 = load_query(head, query, quad);
      sum += vec4f(dot(q4, cache[at.x + quad]), dot(q4, cache[at.y + quad]), dot(q4, cache[at.z + quad]), dot(q4, cache[at.w + quad]));
    }
    scores[r] = sum;
  }
  return scores;
}
