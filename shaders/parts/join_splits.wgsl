// Σ_s e^(m_s - M) o_s / Σ_s e^(m_s - M) l_s, M = max_s m_s: what the splits of attention_partial come to, for one head and token.
//   partials [num_splits, num_tokens, num_heads, v_dim + 4]  f32: o_s = Σ p V, then m_s and l_s = Σ p
// QUADS quads of the result from first_quad on. A thread owns some of them and every PARTS-th split of them, of which it fetches 4 at a time: sums are rescaled as the
// maximum rises, then the parts come together in workgroup memory. The body's put_quad gets each quad once.
const V_QUADS = v_dim / 4u;
const MASKED = -1e30;

var<workgroup> part_sums: array<vec4f, PART_SLOTS>;
var<workgroup> part_highest: array<f32, PART_SLOTS>;
var<workgroup> part_totals: array<f32, PART_SLOTS>;

fn join_splits(token: u32, head: u32, first_quad: u32, lane: u32) {
  let pitch = step.num_tokens * num_heads * (V_QUADS + 1u);
  let base = (token * num_heads + head) * (V_QUADS + 1u);
  let last = step.num_splits - 1u;
  for (var first = 0u; first < QUADS; first += THREADS) {
    let item = first + lane;
    let part = item / QUADS;
    let own_quad = item % QUADS;
    let quad = first_quad + own_quad;
    var sum = vec4f(0.0);
    var highest = MASKED;
    var total = 0.0;
    if (part < PARTS) {
      for (var s = part; s <= last; s += 4u * PARTS) {
        let n = s + PARTS * vec4u(0u, 1u, 2u, 3u);
        let at = min(n, vec4u(last)) * pitch + base;
        // Maxima, then totals.
        let ends = transpose(mat4x2f(partials[at.x + V_QUADS].xy, partials[at.y + V_QUADS].xy, partials[at.z + V_QUADS].xy, partials[at.w + V_QUADS].xy));
        let quads = mat4x4f(partials[at.x + quad], partials[at.y + quad], partials[at.z + quad], partials[at.w + quad]);
        let rising = max(max(highest, max(ends[0].x, ends[0].y)), max(ends[0].z, ends[0].w));
        let weights = select(vec4f(0.0), exp(ends[0] - rising), n <= vec4u(last));
        let rescale = exp(highest - rising);
        highest = rising;
        sum = sum * rescale + quads * weights;
        total = total * rescale + dot(ends[1], weights);
      }
    }
    if (PARTS > 1u) {
      part_sums[lane] = sum;
      part_highest[lane] = highest;
      part_totals[lane] = total;
      workgroupBarrier();
      for (var p = 0u; p < PARTS; p++) {
        highest = max(highest, part_highest[own_quad + p * QUADS]);
      }
      sum = vec4f(0.0);
      total = 0.0;
      for (var p = 0u; p < PARTS; p++) {
        let weight = exp(part_highest[own_quad + p * QUADS] - highest);
        sum += part_sums[own_quad + p * QUADS] * weight;
        total += part_totals[own_quad + p * QUADS] * weight;
      }
    }
    if (part == 0u) {
      put_quad(token, head, quad, sum / total);
    }
  }
}
