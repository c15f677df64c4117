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
// One workgroup: one split of the rows, one group, 4 * BLOCKS of the group's (token, head) pairs: a block is 4 pairs. LANES threads of a
// slice score a block against TILE / LANES keys each; SLICES slices share the quads of a key, and then those of a value. Scores and sums
// stay in registers, what slices and lanes tell each other goes through workgroup memory. Online softmax (2205.14135).
const SLICE = BLOCKS * LANES;
const THREADS = SLICE * SLICES;
const ROWS = BLOCKS * 4u;
const KEYS = TILE / LANES;
const Q_PITCH = QK_QUADS | 1u;
const WIDE = LANES * SLICES; // threads of a block
const ITEMS = (V_QUADS + WIDE - 1u) / WIDE;
const LOAD_QUADS = load_dim / 4u; // what stage_quad gives of a staged row

var<workgroup> q_tile: array<vec4f, ROWS * Q_PITCH>; // pair r of a block behind all blocks' pairs r - 1
var<workgroup> tile: array<vec4f, TILE * PITCH>;
var<workgroup> weights: array<vec4f, BLOCKS * (TILE + 1u)>; // a vec4 is the 4 pairs of a block
var<workgroup> of_lane: array<vec4f, SLICE>;
var<workgroup> of_slice: array<vec4f, select(1u, SLICES * BLOCKS * TILE, SLICES > 1u)>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let split = id.x;
  let group = id.y;
  // Workgroups with the most keys come first, so that none is left over.
  let first_row = (count.z - 1u - id.z) * ROWS;
  let total_rows = step.num_tokens * heads_per_group;
  let last_token = (min(first_row + ROWS, total_rows) - 1u) / heads_per_group;
  let start = split * step.split_len;
  let end = min(start + step.split_len, step.position + last_token + 1u);
  let slice = select(lane / SLICE, 0u, SLICES == 1u);
  let block = lane / LANES % BLOCKS;
  let own = lane % LANES;
  let row = first_row + block * 4u;
  let positions = step.position + vec4u(row, row + 1u, row + 2u, row + 3u) / heads_per_group;

  for (var i = lane; i < ROWS * QK_QUADS; i += THREADS) {
    let pair = i / QK_QUADS;
    let at = (pair % 4u * BLOCKS + pair / 4u) * Q_PITCH;
    q_tile[at + i % QK_QUADS] = load_query(group, first_row + pair, i % QK_QUADS, total_rows);
  }
  var sums = array<mat4x4f, ITEMS>(); // column r: pair r of the block
  var highest = vec4f(MASKED);
  var total = vec4f(0.0); // of this thread's keys

  for (var first_key = start; first_key < end; first_key += TILE) {
    let keys = min(TILE, end - first_key);
    let added = own_rows(first_key + keys);
    stage_tile(lane, group, first_key, (keys - added) * LOAD_QUADS);
    append_row(lane, group, (keys - 1u) * PITCH, added, id.z == 0u);
    complete_tile(lane, first_key, keys);
    workgroupBarrier();
    var scores = array<vec4f, KEYS>();
    for (var quad = slice; quad < QK_QUADS; quad += SLICES) {
      let at = block * Q_PITCH + quad;
      let by_column = transpose(mat4x4f(q_tile[at], q_tile[at + BLOCKS * Q_PITCH],
        q_tile[at + 2u * BLOCKS * Q_PITCH], q_tile[at + 3u * BLOCKS * Q_PITCH]));
      for (var i = 0u; i < KEYS; i++) {
        let k = tile[(i * LANES + own) * PITCH + K_START + quad];
        scores[i] = scores[i] + by_column[0] * k.x + by_column[1] * k.y + by_column[2] * k.z + by_column[3] * k.w;
      }
    }
    if (SLICES > 1u) {
      for (var i = 0u; i < KEYS; i++) {
        of_slice[(slice * BLOCKS + block) * TILE + i * LANES + own] = scores[i];
      }
      workgroupBarrier();
      for (var i = 0u; i < KEYS; i++) {
        var score = vec4f(0.0);
        for (var s = 0u; s < SLICES; s++) {
          score += of_slice[(s * BLOCKS + block) * TILE + i * LANES + own];
        }
        scores[i] = score;
      }
    }
    var largest = vec4f(MASKED);
    for (var i = 0u; i < KEYS; i++) {
      let key = i * LANES + own;
      scores[i] = select(vec4f(MASKED), scores[i], (vec4u(first_key + key) <= positions) & vec4<bool>(key < keys));
      largest = max(largest, scores[i]);
    }
    if (slice == 0u) {
      of_lane[lane] = largest;
    }
    workgroupBarrier();
    var rising = highest;
    for (var i = 0u; i < LANES; i++) {
      rising = max(rising, of_lane[block * LANES + i]);
    }
    let rescale = exp(highest - rising);
    highest = rising;
    total *= rescale;
    for (var i = 0u; i < KEYS; i++) {
      let weight = select(vec4f(0.0), exp(scores[i] - highest), scores[i] > vec4f(MASKED));
      if (slice == 0u) {
        weights[block * (TILE + 1u) + i * LANES + own] = weight;
      }
      total += weight;
    }
    workgroupBarrier();
    for (var i = 0u; i < ITEMS; i++) {
      sums[i] = mat4x4f(sums[i][0] * rescale.x, sums[i][1] * rescale.y, sums[i][2] * rescale.z, sums[i][3] * rescale.w);
    }
    // Of several slices some may have no quad. FULL_TILES (prompts): compilers unroll this, and rows behind the last, which are what the
    // tile held before, weigh nothing.
    if (SLICES == 1u || slice * LANES < V_QUADS) {
      for (var key = 0u; key < TILE && (FULL_TILES || key < keys); key++) {
        let p = weights[block * (TILE + 1u) + key];
        for (var i = 0u; i < ITEMS; i++) {
          let v = tile[key * PITCH + V_START + min(i * WIDE + slice * LANES + own, V_QUADS - 1u)];
          sums[i] += mat4x4f(v * p.x, v * p.y, v * p.z, v * p.w);
        }
      }
    }
    workgroupBarrier();
  }

  if (slice == 0u) {
    of_lane[lane] = total;
  }
  workgroupBarrier();
  total = vec4f(0.0);
  for (var i = 0u; i < LANES; i++) {
    total += of_lane[block * LANES + i];
  }
  for (var i = 0u; i < ITEMS; i++) {
    let quad = i * WIDE + slice * LANES + own;
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
