enable subgroups;
// o[h] = Σ_n softmax_n(scale · q[h] · K[g, n]) V[g, n] for one token: what attention_partial gives, with the same bindings and
// parts (but recon), without workgroup memory between a cache row and its sums. Staged rows and their views are explained there.
// One workgroup: one split of the rows, one group, BLOCKS * HEADS of its heads. LANES threads of a subgroup (a team) share a
// row: a thread holds every LANES-th quad of it in registers, of 4 rows at a time, for HEADS heads. Dot products come together by
// shuffles; running maxima and sums stay in registers until the TEAMS join at the end (flash decoding).
// Lanes of a team are neighbours in local_invocation_index and within one subgroup, as on every driver seen.
const THREADS = LANES * TEAMS * BLOCKS;
const V_QUADS = v_dim / 4u;
const K_START = qk_offset / 4u; // K and V within the staged row
const V_START = v_offset / 4u;
const ROW_QUADS = row_dim / 4u;
const LOAD_QUADS = load_dim / 4u;
const QK_QUADS = qk_dim / 4u;
const HALF = rope_dim / 8u;
const ROPE_START = rope_offset / 4u; // within a query
const KEY_ROPE = key_rope_offset / 4u; // within the cache row
const MASKED = -1e30; // WGSL may assume that infinities do not arise
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> cache: array<cache_unit>;
@group(0) @binding(2) var<storage, read> rope_table: array<vec2f>;
@group(0) @binding(3) var<storage, read> rope_pairs: array<u32>;
@group(0) @binding(4) var<storage, read> rope_map: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(7) var<storage, read> kv: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

var<workgroup> own_row: array<vec4f, LOAD_QUADS>; // of the step's token, staged
var<workgroup> team_states: array<vec2f, TEAMS * BLOCKS * HEADS>; // maximum, total
var<workgroup> team_sums: array<vec4f, TEAMS / 2u * LANES * BLOCKS * HEADS * V_ITEMS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  let split = id.x;
  let group = id.y;
  let lane = local % LANES;
  let team = local / LANES % TEAMS;
  let block = local / (LANES * TEAMS);
  let first_head = (id.z * BLOCKS + block) * HEADS;
  let start = split * step.split_len;
  let end = min(start + step.split_len, step.position + 1u);
  let added = own_rows(end); // the split's last row is not in the cache yet
  append_row(local, group, 0u, added, id.z == 0u);
  if (APPENDS) {
    workgroupBarrier();
  }
  let last = max(end, 1u + added) - 1u - added;

  // Item i of a thread is quad lane + i * LANES of the staged row. What a view does not have weighs nothing.
  var queries: array<vec4f, HEADS * K_ITEMS>;
  for (var h = 0u; h < HEADS; h++) {
    for (var i = 0u; i < K_ITEMS; i++) {
      let quad = lane + (K_FIRST + i) * LANES;
      if (quad >= K_START && quad < K_START + QK_QUADS) {
        queries[h * K_ITEMS + i] = load_query(group, first_head + h, quad - K_START, heads_per_group);
      }
    }
  }
  var sums: array<vec4f, HEADS * V_ITEMS>;
  var highest: array<f32, HEADS>;
  var total: array<f32, HEADS>;
  for (var h = 0u; h < HEADS; h++) {
    highest[h] = MASKED;
  }

  // What takes cosines and sines from one row of a team to its next: the table is then read for every fourth row only.
  var strides: array<mat2x4f, max(1u, TURN_ITEMS)>;
  for (var i = 0u; i < TURN_ITEMS; i++) {
    let pair = turned_pair(min(lane + (TURN_FIRST + i) * LANES, LOAD_QUADS - 1u));
    if (pair != UNTURNED) {
      // The first row's sines are 0, its cosines the factor that some rope scalings give the whole table.
      let size = turn4(0u, pair)[0];
      let turn = turn4(min(TEAMS, max_len - 1u), pair);
      strides[i] = mat2x4f(turn[0] / size, turn[1] / size);
    }
  }

  for (var first = start; first < end; first += 4u * TEAMS) {
    let n = vec4u(first + team) + vec4u(0u, TEAMS, 2u * TEAMS, 3u * TEAMS);
    let at = min(n, vec4u(last));
    var rows: array<mat4x4f, ITEMS>; // column r: of row r
    for (var i = 0u; i < ITEMS; i++) {
      let quad = min(lane + i * LANES, LOAD_QUADS - 1u);
      var a = mat2x4f();
      var b = mat2x4f();
      var c = mat2x4f();
      var d = mat2x4f();
      if (i >= TURN_FIRST && i < TURN_FIRST + TURN_ITEMS) {
        let pair = turned_pair(quad);
        if (pair != UNTURNED) {
          a = turn4(at.x, pair);
          b = turn_on(a, strides[i - TURN_FIRST]);
          c = turn_on(b, strides[i - TURN_FIRST]);
          d = turn_on(c, strides[i - TURN_FIRST]);
        }
      }
      rows[i] = mat4x4f(stage_quad(group, at.x, quad, a), stage_quad(group, at.y, quad, b),
        stage_quad(group, at.z, quad, c), stage_quad(group, at.w, quad, d));
    }
    if (APPENDS && added == 1u && first + 4u * TEAMS >= end) {
      // Its own row, and what lies behind it, which weighs nothing.
      let own = n >= vec4u(end - 1u);
      for (var i = 0u; i < ITEMS; i++) {
        let value = own_row[min(lane + i * LANES, LOAD_QUADS - 1u)];
        rows[i] = mat4x4f(select(rows[i][0], value, own.x), select(rows[i][1], value, own.y),
          select(rows[i][2], value, own.z), select(rows[i][3], value, own.w));
      }
    }
    for (var h = 0u; h < HEADS; h++) {
      var score = vec4f(0.0);
      for (var i = 0u; i < K_ITEMS; i++) {
        score += queries[h * K_ITEMS + i] * rows[K_FIRST + i];
      }
      for (var mask = LANES / 2u; mask > 0u; mask /= 2u) {
        score += subgroupShuffleXor(score, mask);
      }
      score = select(vec4f(MASKED), score, n < vec4u(end));
      let rising = max(highest[h], max(max(score.x, score.y), max(score.z, score.w)));
      let rescale = exp(highest[h] - rising);
      let p = select(vec4f(0.0), exp(score - rising), score > vec4f(MASKED));
      highest[h] = rising;
      total[h] = total[h] * rescale + p.x + p.y + p.z + p.w;
      for (var i = 0u; i < V_ITEMS; i++) {
        sums[h * V_ITEMS + i] = sums[h * V_ITEMS + i] * rescale + rows[V_FIRST + i] * p;
      }
    }
  }

  // The teams' sums, first to one maximum, then half of the teams to the other half.
  let states = block * HEADS * TEAMS;
  for (var h = 0u; h < HEADS; h++) {
    if (lane == 0u) {
      team_states[states + h * TEAMS + team] = vec2f(highest[h], total[h]);
    }
  }
  workgroupBarrier();
  for (var h = 0u; h < HEADS; h++) {
    var most = MASKED;
    for (var t = 0u; t < TEAMS; t++) {
      most = max(most, team_states[states + h * TEAMS + t].x);
    }
    var all = 0.0;
    for (var t = 0u; t < TEAMS; t++) {
      let state = team_states[states + h * TEAMS + t];
      all += state.y * exp(state.x - most);
    }
    let rescale = exp(highest[h] - most);
    for (var i = 0u; i < V_ITEMS; i++) {
      sums[h * V_ITEMS + i] *= rescale;
    }
    highest[h] = most;
    total[h] = all;
  }
  for (var half = TEAMS / 2u; half > 0u; half /= 2u) {
    let slot = ((block * half + team % half) * LANES + lane) * HEADS * V_ITEMS;
    if (team >= half && team < 2u * half) {
      for (var i = 0u; i < HEADS * V_ITEMS; i++) {
        team_sums[slot + i] = sums[i];
      }
    }
    workgroupBarrier();
    if (team < half) {
      for (var i = 0u; i < HEADS * V_ITEMS; i++) {
        sums[i] += team_sums[slot + i];
      }
    }
    workgroupBarrier();
  }
  if (team == 0u) {
    for (var h = 0u; h < HEADS; h++) {
      for (var i = 0u; i < V_ITEMS; i++) {
        let quad = lane + (V_FIRST + i) * LANES;
        if (quad >= V_START && quad < V_START + V_QUADS) {
          write_sum(split, group, first_head + h, quad - V_START, sums[h * V_ITEMS + i], highest[h], total[h], heads_per_group);
        }
      }
    }
  }
}

fn put_own(slot: u32, value: vec4f) {
  own_row[slot] = value;
}
