// Σ_s e^(m_s - M) o_s / Σ_s e^(m_s - M) l_s, M = max_s m_s: what the splits of attention_partial come to, for one head and token.
//   partials [num_splits, num_tokens, num_heads, v_dim + 4]  f32: o_s = Σ p V, then m_s and l_s = Σ p
// A thread owns quads of the result and every PARTS-th split of them; sums are rescaled as the maximum rises, then the parts come
// together in workgroup memory. The body's put_quad gets each quad once.
const V_QUADS = v_dim / 4u;
const MASKED = -1e30;

var<workgroup> part_sums: array<vec4f, PART_SLOTS>;
var<workgroup> part_states: array<vec2f, PART_SLOTS>;

fn join_splits(token: u32, head: u32, lane: u32) {
  let pitch = step.num_tokens * num_heads * (V_QUADS + 1u);
  let base = (token * num_heads + head) * (V_QUADS + 1u);
  for (var first = 0u; first < V_QUADS; first += THREADS) {
    let item = first + lane;
    let part = item / V_QUADS;
    let quad = item % V_QUADS;
    var sum = vec4f(0.0);
    var state = vec2f(MASKED, 0.0); // maximum, total
    if (part < PARTS) {
      for (var s = part; s < step.num_splits; s += PARTS) {
        let other = partials[s * pitch + base + V_QUADS].xy;
        let highest = max(state.x, other.x);
        let old = exp(state.x - highest);
        let fresh = exp(other.x - highest);
        sum = sum * old + partials[s * pitch + base + quad] * fresh;
        state = vec2f(highest, state.y * old + other.y * fresh);
      }
    }
    if (PARTS > 1u) {
      part_sums[lane] = sum;
      part_states[lane] = state;
      workgroupBarrier();
      for (var p = 1u; p < PARTS && part == 0u; p++) {
        let other = part_states[lane + p * V_QUADS];
        let highest = max(state.x, other.x);
        let old = exp(state.x - highest);
        let fresh = exp(other.x - highest);
        sum = sum * old + part_sums[lane + p * V_QUADS] * fresh;
        state = vec2f(highest, state.y * old + other.y * fresh);
      }
    }
    if (part == 0u) {
      put_quad(token, head, quad, sum / state.y);
    }
  }
}
