// out[t, h] = Σ_s e^(m_s - M) o_s / Σ_s e^(m_s - M) l_s: joins the splits of attention_partial, M = max_s m_s.
//   partials [num_splits, num_tokens, num_heads, v_dim + 4]  f32: o_s = Σ p V, then m_s and l_s = Σ p
//   out      [num_tokens, out_stride]                        f32, [head, v_dim]
// One workgroup a head and token; a thread owns quads of the output and reads all splits of them.
const V_QUADS = v_dim / 4u;
@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = id.x;
  let t = id.y;
  let pitch = step.num_tokens * num_heads * (V_QUADS + 1u);
  let base = (t * num_heads + head) * (V_QUADS + 1u);
  var highest = -1e30;
  for (var s = 0u; s < step.num_splits; s++) {
    highest = max(highest, partials[s * pitch + base + V_QUADS].x);
  }
  for (var quad = lane; quad < V_QUADS; quad += 64u) {
    var sum = vec4f(0.0);
    var total = 0.0;
    for (var s = 0u; s < step.num_splits; s++) {
      let state = partials[s * pitch + base + V_QUADS];
      let weight = exp(state.x - highest);
      sum += weight * partials[s * pitch + base + quad];
      total += weight * state.y;
    }
    out[t * (out_stride / 4u) + head * V_QUADS + quad] = sum / total;
  }
}
