// How attention_partial brings cache rows into its tile. Every thread fetches its share as it lies in the cache while the tile
// before is still worked on (a cache row comes from far away), if it can hold that much.
const SHARE = (TILE * ROW_QUADS + THREADS - 1u) / THREADS;
const FETCHES_AHEAD = SHARE <= 16u;
alias tile_share = array<packed_row_quad, select(1u, SHARE, FETCHES_AHEAD)>;

fn fetch_share(lane: u32, group: u32, first_key: u32, rows: u32) -> tile_share {
  var share: tile_share;
  for (var i = 0u; i < SHARE && FETCHES_AHEAD; i++) {
    let at = min(lane + i * THREADS, max(rows, 1u) * ROW_QUADS - 1u);
    share[i] = packed_row4(group, first_key + at / ROW_QUADS, at % ROW_QUADS);
  }
  return share;
}

fn stage_tile(lane: u32, group: u32, first_key: u32, rows: u32, share: tile_share) {
  if (FETCHES_AHEAD) {
    for (var i = 0u; i < SHARE; i++) {
      let at = lane + i * THREADS;
      if (at < rows * ROW_QUADS) {
        tile[at / ROW_QUADS * PITCH + at % ROW_QUADS] = unpacked_row4(share[i], at % ROW_QUADS);
      }
    }
    for (var quad = lane; quad < select(0u, ROW_QUADS, HAS_EXACT && first_key == 0u && rows > 0u); quad += THREADS) {
      tile[quad] = exact_quad(group, quad);
    }
  } else {
    for (var at = lane; at < rows * ROW_QUADS; at += THREADS) {
      tile[at / ROW_QUADS * PITCH + at % ROW_QUADS] = load_row4(group, first_key + at / ROW_QUADS, at % ROW_QUADS);
    }
  }
}

// A pair of quads, rotated to its position.
fn put_turned(to: u32, position: u32, pair: u32, re: vec4f, im: vec4f) {
  let turn = turn4(position, pair * 4u);
  tile[to] = rotate_by(turn, re, im, false);
  tile[to + HALF] = rotate_by(turn, im, re, true);
}

fn put_own(slot: u32, value: vec4f) {
  tile[slot] = value;
}
