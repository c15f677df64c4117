// How attention_partial brings cache rows into its tile.

// Four loads of a thread are in flight at a time: a cache row comes from far away.
fn stage_tile(lane: u32, group: u32, first_key: u32, quads: u32) {
  for (var i = lane; i < quads; i += 4u * THREADS) {
    let last = quads - 1u;
    let at = min(vec4u(i, i + THREADS, i + 2u * THREADS, i + 3u * THREADS), vec4u(last));
    let key = at / LOAD_QUADS;
    let quad = at % LOAD_QUADS;
    let a = stage_at(group, first_key + key.x, quad.x);
    let b = stage_at(group, first_key + key.y, quad.y);
    let c = stage_at(group, first_key + key.z, quad.z);
    let d = stage_at(group, first_key + key.w, quad.w);
    tile[key.x * PITCH + quad.x] = a;
    if (i + THREADS < quads) {
      tile[key.y * PITCH + quad.y] = b;
    }
    if (i + 2u * THREADS < quads) {
      tile[key.z * PITCH + quad.z] = c;
    }
    if (i + 3u * THREADS < quads) {
      tile[key.w * PITCH + quad.w] = d;
    }
  }
}

fn stage_at(group: u32, position: u32, quad: u32) -> vec4f {
  let pair = turned_pair(quad);
  var turn = mat2x4f();
  if (pair != UNTURNED) {
    turn = turn4(position, pair);
  }
  return stage_quad(group, position, quad, turn);
}
