// Rows of attention_decode in registers: four of a team at a time, as they lie in the cache or are yet to lie there; and what a
// team's lanes have to tell each other.
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

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  return stored_quad(0u, group, position, quad);
}

fn put_own(slot: u32, value: vec4f) {
  own_row[slot] = value;
}
