// o[t, h] = Σ_n softmax_n(scale · q[t, h] · K[g, n]) V[g, n] over cache rows n <= position + t, g the group of head h.
// One family for GQA and every latent form: a cache row becomes a *staged row* in workgroup memory (part: row), decoded,
// rotated or rebuilt once, and K and V are two views of it, which every head of a group shares.
//   GQA [k | v]      strict [c_kv | k_pe]      reuse [c_kv | k_pe | k_pe rotated]      recon [c_kv | rebuilt and rotated]
//   q        [num_tokens, q_stride]      f32; head h begins at q_offset + h * qk_dim; rotated here
//   cache    [groups, max_len, row]      part: cache
//   rope_map reuse: mean of k_pe; recon: its matrix and bias; else unused
//   out      [num_tokens, out_stride]    f32, [head, v_dim]; written when there is one split, unless keeps_partials
//   kv       the row of the step's one token before it is stored: part append; else unused
//   partials [num_splits, num_tokens, num_heads, v_dim + 4]  f32: Σ p V, then max and Σ p; for attention_combine
// One workgroup: one split of the rows, one group, 4 * BLOCKS of the group's (token, head) pairs. LANES threads have a block
// of 4 pairs through all phases: stage TILE rows, score them, find the maxima, weigh the values. Online softmax (2205.14135).
const THREADS = BLOCKS * LANES;
const ROWS = BLOCKS * 4u;
const LOAD_QUADS = load_dim / 4u; // what stage_quad gives of a staged row

var<workgroup> q_tile: array<vec4f, ROWS * QK_QUADS>;
var<workgroup> tile: array<vec4f, TILE_SLOTS>; // [TILE, PITCH]; at the end what the threads' parts add up
var<workgroup> scores: array<vec4f, BLOCKS * TILE>; // a vec4 is the 4 pairs of a block
var<workgroup> weights: array<vec4f, BLOCKS * TILE>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let split = id.x;
  let group = id.y;
  let first_row = id.z * ROWS;
  let total_rows = step.num_tokens * heads_per_group;
  let last_token = (min(first_row + ROWS, total_rows) - 1u) / heads_per_group;
  let start = split * step.split_len;
  let end = min(start + step.split_len, step.position + last_token + 1u);
  let block = lane / LANES;
  let own = lane % LANES;
  let row = first_row + block * 4u;
  let positions = step.position + vec4u(row, row + 1u, row + 2u, row + 3u) / heads_per_group;

  for (var i = lane; i < ROWS * QK_QUADS; i += THREADS) {
    q_tile[i] = load_query(group, first_row + i / QK_QUADS, i % QK_QUADS, total_rows);
  }
  var sums = array<mat4x4f, ITEMS>(); // column r: pair r of the block; items of a thread: quads of V, or parts of the tile
  var highest = vec4f(MASKED);
  var total = vec4f(0.0);

  for (var first_key = start; first_key < end; first_key += TILE) {
    let keys = min(TILE, end - first_key);
    let added = own_rows(first_key + keys);
    stage_tile(lane, group, first_key, (keys - added) * LOAD_QUADS);
    append_row(lane, group, (keys - 1u) * PITCH, added, id.z == 0u);
    complete_tile(lane, first_key, keys);
    workgroupBarrier();
    let q_base = block * 4u * QK_QUADS;
    for (var key = own; key < keys; key += LANES) {
      var score = vec4f(0.0);
      for (var quad = 0u; quad < QK_QUADS; quad++) {
        let k = tile[key * PITCH + K_START + quad];
        let at = q_base + quad;
        score += vec4f(dot(q_tile[at], k), dot(q_tile[at + QK_QUADS], k),
          dot(q_tile[at + 2u * QK_QUADS], k), dot(q_tile[at + 3u * QK_QUADS], k));
      }
      scores[block * TILE + key] = select(vec4f(MASKED), score, vec4u(first_key + key) <= positions);
    }
    workgroupBarrier();
    var rising = highest;
    for (var key = 0u; key < keys; key++) {
      rising = max(rising, scores[block * TILE + key]);
    }
    let rescale = exp(highest - rising);
    highest = rising;
    for (var key = own; key < keys; key += LANES) {
      let score = scores[block * TILE + key];
      weights[block * TILE + key] = select(vec4f(0.0), exp(score - highest), score > vec4f(MASKED));
    }
    workgroupBarrier();
    for (var i = 0u; i < ITEMS; i++) {
      let item = own + i * LANES;
      let value = V_START + item % V_QUADS;
      var sum = mat4x4f(sums[i][0] * rescale.x, sums[i][1] * rescale.y, sums[i][2] * rescale.z, sums[i][3] * rescale.w);
      var seen = vec4f(0.0);
      for (var key = item / V_QUADS; key < keys; key += PARTS) {
        let p = weights[block * TILE + key];
        let v = tile[key * PITCH + value];
        sum += mat4x4f(v * p.x, v * p.y, v * p.z, v * p.w);
        seen += p;
      }
      sums[i] = sum;
      if (i == 0u) {
        total = total * rescale + seen;
      }
    }
    workgroupBarrier();
  }

  if (PARTS > 1u) {
    let added = (block * (PARTS - 1u) * V_QUADS + own) * 5u;
    if (own >= V_QUADS && own < PARTS * V_QUADS) {
      let at = added - V_QUADS * 5u;
      tile[at] = sums[0][0];
      tile[at + 1u] = sums[0][1];
      tile[at + 2u] = sums[0][2];
      tile[at + 3u] = sums[0][3];
      tile[at + 4u] = total;
    }
    workgroupBarrier();
    for (var part = 0u; part < PARTS - 1u && own < V_QUADS; part++) {
      let at = added + part * V_QUADS * 5u;
      sums[0] += mat4x4f(tile[at], tile[at + 1u], tile[at + 2u], tile[at + 3u]);
      total += tile[at + 4u];
    }
  }
  for (var i = 0u; i < ITEMS; i++) {
    let quad = own + i * LANES;
    if (quad < V_QUADS) {
      // Written out: an index that a compiler does not see through would put the sums into memory.
      write_sum(split, group, row, quad, sums[i][0], highest.x, total.x, total_rows);
      write_sum(split, group, row + 1u, quad, sums[i][1], highest.y, total.y, total_rows);
      write_sum(split, group, row + 2u, quad, sums[i][2], highest.z, total.z, total_rows);
      write_sum(split, group, row + 3u, quad, sums[i][3], highest.w, total.w, total_rows);
    }
  }
}

fn put_own(slot: u32, value: vec4f) {
  tile[slot] = value;
}
