// Rows of attention_decode in registers: four of a team at a time, as they lie in the cache or are yet to lie there; and what a
// team's lanes and a workgroup's teams have to tell each other.
var<workgroup> all_queries: array<vec4f, HEADS * QK_QUADS>;
var<workgroup> team_states: array<vec2f, TEAMS * HEADS>; // maximum, total
var<workgroup> team_sums: array<vec4f, TEAMS / 2u * LANES * HEADS * V_ITEMS>;
var<workgroup> own_row: array<vec4f, ROW_QUADS>; // of the step's token
var<workgroup> exact_row: array<vec4f, select(1u, ROW_QUADS, HAS_EXACT)>; // of position 0

fn is_turned(quad: u32) -> bool {
  return quad >= KEY_ROPE && quad < KEY_ROPE + 2u * HALF;
}

// A quad that a query meets as it lies in the row.
fn is_key(quad: u32) -> bool {
  return quad >= K_START && quad < K_END && !(TURNS_KEY && is_turned(quad));
}

fn load_rows(group: u32, at: vec4u, quad: u32) -> mat4x4f {
  return mat4x4f(packed_row4(group, at.x, quad), packed_row4(group, at.y, quad), packed_row4(group, at.z, quad), packed_row4(group, at.w, quad));
}

// The step's own row does not lie in the cache (what is behind it weighs nothing), an exact one lies elsewhere.
fn mended(rows: mat4x4f, quad: u32, n: vec4u, added: u32, end: u32) -> mat4x4f {
  let own = own_row[quad];
  let is_own = n >= vec4u(select(0xffffffffu, end - 1u, added == 1u));
  var x = rows[0];
  if (HAS_EXACT) {
    x = select(x, exact_row[quad], n.x == 0u);
  }
  return mat4x4f(select(x, own, is_own.x), select(rows[1], own, is_own.y), select(rows[2], own, is_own.z), select(rows[3], own, is_own.w));
}

// What a quad turns with, where no lane of the team has it in a place that is known before.
fn loaded_partner(group: u32, at: vec4u, quad: u32, n: vec4u, added: u32, end: u32, mends: bool) -> mat4x4f {
  var rows = load_rows(group, at, quad);
  if (mends) {
    rows = mended(rows, quad, n, added, end);
  }
  if (SHIFTED) {
    let shift = rope_map[quad - KEY_ROPE];
    rows += mat4x4f(shift, shift, shift, shift);
  }
  return rows;
}

fn shuffled(rows: mat4x4f, place: u32) -> mat4x4f {
  return mat4x4f(subgroupShuffle(rows[0], place), subgroupShuffle(rows[1], place), subgroupShuffle(rows[2], place), subgroupShuffle(rows[3], place));
}

// Without a loop: one that halves its variable is not unrolled, nor is any around it.
fn team_sum(own: vec4f) -> vec4f {
  var sum = own;
  if (LANES > 16u) {
    sum += subgroupShuffleXor(sum, 16u);
  }
  if (LANES > 8u) {
    sum += subgroupShuffleXor(sum, 8u);
  }
  if (LANES > 4u) {
    sum += subgroupShuffleXor(sum, 4u);
  }
  if (LANES > 2u) {
    sum += subgroupShuffleXor(sum, 2u);
  }
  if (LANES > 1u) {
    sum += subgroupShuffleXor(sum, 1u);
  }
  return sum;
}

// Maximum and total of a head's teams.
fn joined(states: u32) -> vec2f {
  var state = vec2f(MASKED, 0.0);
  for (var t = 0u; t < TEAMS; t++) {
    let other = team_states[states + t];
    let highest = max(state.x, other.x);
    state = vec2f(highest, state.y * exp(state.x - highest) + other.y * exp(other.x - highest));
  }
  return state;
}

// Of all heads, by all threads, once the first team has left them in team_sums.
fn write_sums(local: u32, split: u32, group: u32, first_head: u32) {
  for (var i = local; i < HEADS * V_QUADS; i += THREADS) {
    let head = i / V_QUADS;
    let quad = i % V_QUADS;
    let item = V_START + quad - V_FIRST * LANES;
    let slot = (item % LANES * HEADS + head) * V_ITEMS + item / LANES;
    let state = joined(head * TEAMS);
    write_sum(split, group, first_head + head, quad, team_sums[slot], state.x, state.y, heads_per_group);
  }
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  return stored_quad(0u, group, position, quad);
}

fn put_own(slot: u32, value: vec4f) {
  own_row[slot] = value;
}
