enable subgroups;
// o[h] = Σ_n softmax_n(scale · q[h] · K[g, n]) V[g, n] for one token: what attention_partial gives, with the same bindings and
// parts (but recon), without workgroup memory between a cache row and its sums. Staged rows and their views are explained there.
// One workgroup: one split of the rows, one group, HEADS of its heads. LANES threads of a subgroup (a team) share a
// row: a thread holds every LANES-th quad of it in registers, of 4 rows at a time, for HEADS heads; of the rope region also
// rotated. Dot products come together by shuffles; maxima and sums stay in registers until the TEAMS join (flash decoding).
// Lanes of a team are neighbours in local_invocation_index and within one subgroup, as on every driver seen.
// Loops over registers have few statements: what a compiler does not unroll it puts into memory, with all that is in its array.
const THREADS = LANES * TEAMS;
const LOAD_QUADS = ROW_QUADS;
const ROPE_END = KEY_ROPE + max(1u, 2u * HALF);
const TURN_SETS = select(TURN_ITEMS, TURN_ITEMS / 2u, PARTNER == SAME_LANE); // both halves of a pair turn alike

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) place: u32) {
  let split = id.x;
  let group = id.y;
  let lane = local % LANES;
  let team = local / LANES;
  let first_head = id.z * HEADS;
  let start = split * step.split_len;
  let end = min(start + step.split_len, step.position + 1u);
  let added = own_rows(end); // the split's last row is not in the cache yet
  let last = max(end, 1u + added) - 1u - added;
  // Always a turn ahead, the first ones while everything else is made ready.
  var coming = load_items(group, start + team, last, lane);
  // By the last threads, while the first ones fetch queries.
  append_row(THREADS - 1u - local, group, 0u, added, id.z == 0u);
  for (var quad = local; quad < select(0u, ROW_QUADS, HAS_EXACT && split == 0u); quad += THREADS) {
    exact_row[quad] = exact_quad(group, quad);
  }
  for (var i = local; i < HEADS * QK_QUADS; i += THREADS) {
    all_queries[i] = load_query(group, first_head + i / QK_QUADS, i % QK_QUADS, heads_per_group);
  }
  workgroupBarrier();

  // What a view does not have weighs nothing.
  var queries: array<vec4f, max(1u, HEADS * K_ITEMS)>;
  var turned_queries: array<vec4f, max(1u, HEADS * TURN_ITEMS)>;
  for (var h = 0u; h < HEADS; h++) {
    let head = h * QK_QUADS;
    for (var i = 0u; i < K_ITEMS; i++) {
      let quad = lane + (K_FIRST + i) * LANES;
      queries[h * K_ITEMS + i] = select(vec4f(0.0), all_queries[head + min(max(quad, K_START) - K_START, QK_QUADS - 1u)], is_key(quad));
    }
    for (var i = 0u; i < TURN_ITEMS; i++) {
      let quad = lane + (TURN_FIRST + i) * LANES;
      let at = head + min(ROPE_START + max(quad, KEY_ROPE) - KEY_ROPE, QK_QUADS - 1u);
      turned_queries[h * TURN_ITEMS + i] = select(vec4f(0.0), all_queries[at], is_turned(quad));
    }
  }
  var sums: array<vec4f, HEADS * V_ITEMS>;
  var highest: array<f32, HEADS>;
  var total: array<f32, HEADS>;
  for (var h = 0u; h < HEADS; h++) {
    highest[h] = MASKED;
  }

  // Cosines and sines of the thread's next row, and what takes them from one row of the team to its next, so that the table is
  // read for every 8th only. The first row's sines are 0, its cosines the factor that some rope scalings give the whole table.
  var turns: array<mat2x4f, max(1u, TURN_SETS)>;
  var strides: array<mat2x4f, max(1u, TURN_SETS)>;
  var shifts: array<vec4f, max(1u, TURN_ITEMS)>;
  for (var i = 0u; i < TURN_SETS; i++) {
    let pair = (clamp(lane + (TURN_FIRST + i) * LANES, KEY_ROPE, ROPE_END - 1u) - KEY_ROPE) % max(1u, HALF) * 4u;
    let size = turn4(0u, pair)[0];
    let stride = turn4(min(TEAMS, max_len - 1u), pair);
    strides[i] = mat2x4f(stride[0] / size, stride[1] / size);
  }
  for (var i = 0u; i < TURN_ITEMS && SHIFTED; i++) {
    let quad = lane + (TURN_FIRST + i) * LANES;
    shifts[i] = select(vec4f(0.0), rope_map[clamp(quad, KEY_ROPE, ROPE_END - 1u) - KEY_ROPE], is_turned(quad));
  }

  for (var first = start; first < end; first += 4u * TEAMS) {
    let n = rows_from(first + team);
    let mends = (HAS_EXACT && first == 0u) || (APPENDS && added == 1u && first + 4u * TEAMS >= end);
    var rows: array<mat4x4f, ITEMS>; // column r: of row r
    for (var i = 0u; i < ITEMS; i++) {
      rows[i] = unpacked_rows(coming[i], item_quad(lane, i));
    }
    coming = load_items(group, first + team + 4u * TEAMS, last, lane);
    if (mends) {
      for (var i = 0u; i < ITEMS; i++) {
        rows[i] = mended(rows[i], item_quad(lane, i), n, added, end);
      }
    }
    var turned: array<mat4x4f, max(1u, TURN_ITEMS)>;
    for (var i = 0u; i < TURN_ITEMS; i++) {
      if (SHIFTED) {
        rows[TURN_FIRST + i] += mat4x4f(shifts[i], shifts[i], shifts[i], shifts[i]);
      }
    }
    for (var i = 0u; i < TURN_SETS; i++) {
      let quad = lane + (TURN_FIRST + i) * LANES;
      let second = quad >= KEY_ROPE + HALF;
      var partner: mat4x4f;
      if (PARTNER == SAME_LANE) {
        partner = rows[TURN_FIRST + i + TURN_SETS];
      } else if (PARTNER == SAME_ITEM) {
        let giver = select(place, select(place + HALF, place - HALF, second), is_turned(quad));
        partner = shuffled(rows[TURN_FIRST], giver);
      } else {
        let other = clamp(select(quad + HALF, max(quad, HALF) - HALF, second), KEY_ROPE, ROPE_END - 1u);
        partner = loaded_partner(group, min(n, vec4u(last)), other, n, added, end, mends);
      }
      if ((first - start) % (8u * TEAMS) == 0u) {
        turns[i] = turn4(min(n.x, max_len - 1u), (clamp(quad, KEY_ROPE, ROPE_END - 1u) - KEY_ROPE) % max(1u, HALF) * 4u);
      }
      let own = rows[TURN_FIRST + i];
      let a = turns[i];
      let b = turn_on(a, strides[i]);
      let c = turn_on(b, strides[i]);
      let d = turn_on(c, strides[i]);
      turns[i] = turn_on(d, strides[i]);
      turned[i] = mat4x4f(rotate_by(a, own[0], partner[0], second), rotate_by(b, own[1], partner[1], second),
        rotate_by(c, own[2], partner[2], second), rotate_by(d, own[3], partner[3], second));
      if (PARTNER == SAME_LANE) {
        turned[i + TURN_SETS] = mat4x4f(rotate_by(a, partner[0], own[0], true), rotate_by(b, partner[1], own[1], true),
          rotate_by(c, partner[2], own[2], true), rotate_by(d, partner[3], own[3], true));
      }
    }
    for (var h = 0u; h < HEADS; h++) {
      var score = vec4f(0.0);
      for (var i = 0u; i < K_ITEMS; i++) {
        score += queries[h * K_ITEMS + i] * rows[K_FIRST + i];
      }
      for (var i = 0u; i < TURN_ITEMS; i++) {
        score += turned_queries[h * TURN_ITEMS + i] * turned[i];
      }
      score = select(vec4f(MASKED), team_sum(score), n < vec4u(end));
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

  // The teams' sums under one maximum, then the upper half of the teams to the lower; what is left is added where it is written.
  for (var h = 0u; h < HEADS; h++) {
    if (lane == 0u) {
      team_highest[h * TEAMS + team] = highest[h];
    }
  }
  workgroupBarrier();
  if (local < HEADS) {
    head_highest[local] = highest_of(local);
  }
  workgroupBarrier();
  for (var h = 0u; h < HEADS; h++) {
    let rescale = exp(highest[h] - head_highest[h]);
    if (lane == 0u) {
      team_totals[h * TEAMS + team] = total[h] * rescale;
    }
    for (var i = 0u; i < V_ITEMS; i++) {
      sums[h * V_ITEMS + i] *= rescale;
    }
  }
  let slot = (team % HALF_TEAMS * LANES + lane) * HEADS * V_ITEMS;
  if (team >= HALF_TEAMS) {
    for (var i = 0u; i < HEADS * V_ITEMS; i++) {
      team_sums[slot + i] = sums[i];
    }
  }
  workgroupBarrier();
  if (team < HALF_TEAMS) {
    for (var i = 0u; i < HEADS * V_ITEMS; i++) {
      team_sums[slot + i] += sums[i];
    }
  }
  workgroupBarrier();
  write_sums(local, split, group, first_head);
}
