// Staged: [c_kv | rotate(rope_rebuild c_kv + bias)]; rope_map is rope_rebuild transposed, [kv_lora_rank, rope_dim], then the bias.
fn stage_quad(group: u32, position: u32, quad: u32, turn: mat2x4f) -> vec4f {
  return load_row4(group, position, quad);
}

fn turned_pair(quad: u32) -> u32 {
  return UNTURNED;
}

fn stage_new(group: u32, position: u32, quad: u32) -> vec4f {
  return stored_quad(0u, group, position, quad);
}

// A product of matrices: a thread makes 4 columns of 4 rows, or a share of their sums (MAP_SLICES), which are added one after
// the other; then pairs are rotated.
const COLUMNS = 2u * HALF;
const MAP_ITEMS = COLUMNS * ((TILE + 3u) / 4u);
const MAP_SLICES = clamp(THREADS / MAP_ITEMS, 1u, 4u);

fn complete_tile(lane: u32, first_key: u32, keys: u32) {
  workgroupBarrier();
  for (var first = 0u; first < MAP_ITEMS * MAP_SLICES; first += THREADS) {
    let slice = (first + lane) / MAP_ITEMS;
    let column = (first + lane) % COLUMNS;
    let key = (first + lane) % MAP_ITEMS / COLUMNS * 4u;
    let rows = min(vec4u(key, key + 1u, key + 2u, key + 3u), vec4u(keys - 1u)) * PITCH;
    var sum = mat4x4f();
    for (var quad = slice; quad < ROW_QUADS; quad += MAP_SLICES) {
      let at = quad * 4u * COLUMNS + column;
      sum += mat4x4f(rope_map[at], rope_map[at + COLUMNS], rope_map[at + 2u * COLUMNS], rope_map[at + 3u * COLUMNS])
        * mat4x4f(tile[rows.x + quad], tile[rows.y + quad], tile[rows.z + quad], tile[rows.w + quad]);
    }
    for (var turn = 0u; turn < MAP_SLICES; turn++) {
      if (slice == turn) {
        // Written out: an index that a compiler does not see through would put the sums into memory.
        add_column(key, keys, column, turn, sum[0]);
        add_column(key + 1u, keys, column, turn, sum[1]);
        add_column(key + 2u, keys, column, turn, sum[2]);
        add_column(key + 3u, keys, column, turn, sum[3]);
      }
      workgroupBarrier();
    }
  }
  for (var item = lane; item < HALF * keys; item += THREADS) {
    let to = item / HALF * PITCH + ROW_QUADS + item % HALF;
    let re = tile[to];
    let im = tile[to + HALF];
    let turn = turn4(first_key + item / HALF, item % HALF * 4u);
    tile[to] = rotate_by(turn, re, im, false);
    tile[to + HALF] = rotate_by(turn, im, re, true);
  }
}

fn add_column(key: u32, keys: u32, column: u32, turn: u32, sum: vec4f) {
  if (key >= keys) {
    return;
  }
  let to = key * PITCH + ROW_QUADS + column;
  var before = rope_map[ROW_QUADS * 4u * COLUMNS + column];
  if (turn > 0u) {
    before = tile[to];
  }
  tile[to] = before + sum;
}
