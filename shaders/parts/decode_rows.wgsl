// Rows of attention_decode in registers: four of a team at a time, as they lie in the cache or are yet to lie there; and what a
// team's lanes and a workgroup's teams have to tell each other.
const HALF_TEAMS = TEAMS / 2u;
var<workgroup> all_queries: array<vec4f, HEADS * QK_QUADS>;
var<workgroup> team_highest: array<f32, TEAMS * HEADS>;
var<workgroup> team_totals: array<f32, TEAMS * HEADS>;
var<workgroup> head_highest: array<f32, HEADS>;
var<workgroup> team_sums: array<vec4f, HALF_TEAMS * LANES * HEADS * V_ITEMS>;
var<workgroup> own_row: array<vec4f, ROW_QUADS>; // of the step's token
var<workgroup> exact_row: array<vec4f, select(1u, ROW_QUADS, HAS_EXACT)>; // of position 0

fn is_turned(quad: u32) -> bool {
  return quad >= KEY_ROPE && quad < KEY_ROPE + 2u * HALF;
}

// A quad that a query meets as it lies in the row.
fn is_key(quad: u32) -> bool {
  return quad >= K_START && quad < K_END && !(TURNS_KEY && is_turned(quad));
}

alias packed_rows = array<packed_row_quad, 4>;

fn load_rows(group: u32, at: vec4u, quad: u32) -> packed_rows {
  return packed_rows(packed_row4(group, at.x, quad), packed_row4(group, at.y, quad), packed_row4(group, at.z, quad), packed_row4(group, at.w, quad));
}

alias packed_items = array<packed_rows, ITEMS>;

// Of a team's four rows from `first` on, none of them behind `last`.
fn load_items(group: u32, first: u32, last: u32, lane: u32) -> packed_items {
  var items: packed_items;
  for (var i = 0u; i < ITEMS; i++) {
    items[i] = load_rows(group, min(rows_from(first), vec4u(last)), item_quad(lane, i));
  }
  return items;
}

// Item i of a thread is quad lane + i * LANES of the row; what lies behind the row is in no view.
fn item_quad(lane: u32, i: u32) -> u32 {
  return min(lane + i * LANES, ROW_QUADS - 1u);
}

fn unpacked_rows(rows: packed_rows, quad: u32) -> mat4x4f {
  return mat4x4f(unpacked_row4(rows[0], quad), unpacked_row4(rows[1], quad), unpacked_row4(rows[2], quad), unpacked_row4(rows[3], quad));
}

// The places of a team's next four rows.
fn rows_from(first: u32) -> vec4u {
  return first + TEAMS * vec4u(0u, 1u, 2u, 3u);
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
  var rows = unpacked_rows(load_rows(group, at, quad), quad);
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

fn highest_of(head: u32) -> f32 {
  var highest = MASKED;
  for (var t = 0u; t < TEAMS; t++) {
    highest = max(highest, team_highest[head * TEAMS + t]);
  }
  return highest;
}

// Of all heads, by all threads, once half of the teams have added theirs to the others' in team_sums.
fn write_sums(local: u32, split: u32, group: u32, first_head: u32) {
  for (var i = local; i < HEADS * V_QUADS; i += THREADS) {
    let head = i / V_QUADS;
    let quad = i % V_QUADS;
    let item = V_START + quad - V_FIRST * LANES;
    let slot = (item % LANES * HEADS + head) * V_ITEMS + item / LANES;
    var sum = vec4f(0.0);
    for (var t = 0u; t < HALF_TEAMS; t++) {
      sum += team_sums[t * LANES * HEADS * V_ITEMS + slot];
    }
    var total = 0.0;
    for (var t = 0u; t < TEAMS; t++) {
      total += team_totals[head * TEAMS + t];
    }
    write_sum(split, group, first_head + head, quad, sum, head_highest[head], total, heads_per_group);
  }
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  return stored_quad(0u, group, position, quad);
}

fn put_own(slot: u32, value: vec4f) {
  own_row[slot] = value;
}
