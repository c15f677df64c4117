// attention_partial for steps of many tokens: the same family of forms and the same bindings, another share of the work. LANES threads
// have a block of 4 (token, head) pairs; BLOCKS blocks share each tile of staged rows. A thread scores its 4 pairs against TILE / LANES
// keys and sums them by every LANES-th quad of V, both in registers; only maxima and weights pass through workgroup memory.
// Online softmax as FlashAttention has it (2205.14135). Workgroups with the most keys come first, so that none is left over.
const LANES = 16u;
const THREADS = BLOCKS * LANES;
const ROWS = BLOCKS * 4u;
const KEYS = TILE / LANES;
const Q_PITCH = QK_QUADS | 1u;
const ITEMS = (V_QUADS + LANES - 1u) / LANES;
const LOAD_QUADS = load_dim / 4u; // what stage_quad gives of a staged row

var<workgroup> q_tile: array<vec4f, ROWS * Q_PITCH>; // pair r of a block behind all blocks' pairs r - 1
var<workgroup> tile: array<vec4f, TILE * PITCH>;
var<workgroup> weights: array<vec4f, BLOCKS * (TILE + 1u)>; // a vec4 is the 4 pairs of a block
var<workgroup> of_lane: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let split = id.x;
  let group = id.y;
  let first_row = (count.z - 1u - id.z) * ROWS;
  let total_rows = step.num_tokens * heads_per_group;
  let last_token = (min(first_row + ROWS, total_rows) - 1u) / heads_per_group;
  let start = split * step.split_len;
  let end = min(start + step.split_len, step.position + last_token + 1u);
  let block = lane / LANES;
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
    stage_tile(lane, group, first_key, keys * LOAD_QUADS);
    complete_tile(lane, first_key, keys);
    workgroupBarrier();
    var scores = array<vec4f, KEYS>();
    for (var quad = 0u; quad < QK_QUADS; quad++) {
      let at = block * Q_PITCH + quad;
      let by_column = transpose(mat4x4f(q_tile[at], q_tile[at + BLOCKS * Q_PITCH],
        q_tile[at + 2u * BLOCKS * Q_PITCH], q_tile[at + 3u * BLOCKS * Q_PITCH]));
      for (var i = 0u; i < KEYS; i++) {
        let k = tile[(i * LANES + own) * PITCH + K_START + quad];
        scores[i] = scores[i] + by_column[0] * k.x + by_column[1] * k.y + by_column[2] * k.z + by_column[3] * k.w;
      }
    }
    var largest = vec4f(MASKED);
    for (var i = 0u; i < KEYS; i++) {
      let key = i * LANES + own;
      scores[i] = select(vec4f(MASKED), scores[i], (vec4u(first_key + key) <= positions) & vec4<bool>(key < keys));
      largest = max(largest, scores[i]);
    }
    of_lane[lane] = largest;
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
      weights[block * (TILE + 1u) + i * LANES + own] = weight;
      total += weight;
    }
    workgroupBarrier();
    for (var i = 0u; i < ITEMS; i++) {
      sums[i] = mat4x4f(sums[i][0] * rescale.x, sums[i][1] * rescale.y, sums[i][2] * rescale.z, sums[i][3] * rescale.w);
    }
    for (var key = 0u; key < TILE; key++) {
      // Rows behind the last weigh nothing: they are what the tile held before.
      let p = weights[block * (TILE + 1u) + key];
      for (var i = 0u; i < ITEMS; i++) {
        let v = tile[key * PITCH + V_START + min(i * LANES + own, V_QUADS - 1u)];
        sums[i] += mat4x4f(v * p.x, v * p.y, v * p.z, v * p.w);
      }
    }
    workgroupBarrier();
  }

  of_lane[lane] = total;
  workgroupBarrier();
  total = vec4f(0.0);
  for (var i = 0u; i < LANES; i++) {
    total += of_lane[block * LANES + i];
  }
  for (var i = 0u; i < ITEMS; i++) {
    let quad = i * LANES + own;
    if (quad < V_QUADS) {
      // Written out: an index that a compiler does not see through would put the sums into memory.
      write_sum(split, group, row, quad, sums[i][0], highest.x, total.x, total_rows);
      write_sum(split, group, row + 1u, quad, sums[i][1], highest.y, total.y, total_rows);
      write_sum(split, group, row + 2u, quad, sums[i][2], highest.z, total.z, total_rows);
      write_sum(split, group, row + 3u, quad, sums[i][3], highest.w, total.w, total_rows);
    }
  }
}
