// The cache row of a token of this step, as the projections leave it in kv, its rope region rotated where the form keeps it so.
const SPLIT_QUADS = split_dim / 4u;
const KEPT_HALF = kept_rope_dim / 8u; // quads in half of the region that is rotated
const KEPT_START = kept_rope_offset / 4u;
const FIRST_BLOCKS = (SPLIT_QUADS + BLOCK - 1u) / BLOCK; // BLOCK quads share a step where the cache is quantised
const ROW_BLOCKS = FIRST_BLOCKS + (row_dim / 4u - SPLIT_QUADS + BLOCK - 1u) / BLOCK;

// Writes one of the row's ROW_BLOCKS.
fn store_row_block(t: u32, group: u32, position: u32, block: u32) {
  let in_second = block >= FIRST_BLOCKS;
  let first = select(block * BLOCK, SPLIT_QUADS + (block - FIRST_BLOCKS) * BLOCK, in_second);
  store_block(t, group, position, first, min(first + BLOCK, select(SPLIT_QUADS, row_dim / 4u, in_second)));
}

// 4 values of the row, rotated where they belong to the region.
fn row_quad(t: u32, group: u32, position: u32, quad: u32) -> vec4f {
  var base = (t * kv_stride + first_offset + group * split_dim) / 4u;
  if (quad >= SPLIT_QUADS) {
    base = (t * kv_stride + second_offset + group * (row_dim - split_dim) - split_dim) / 4u;
  }
  let value = kv[base + quad];
  if (quad < KEPT_START || quad >= KEPT_START + 2u * KEPT_HALF) {
    return value;
  }
  let within = quad - KEPT_START;
  let second_half = within >= KEPT_HALF;
  let partner = kv[base + select(quad + KEPT_HALF, quad - KEPT_HALF, second_half)];
  return rotate4(position, select(within, within - KEPT_HALF, second_half) * 4u, value, partner, second_half);
}

// The nearest f16, ties to even. pack2x16float may round either way, and does: NVIDIA's cuts off, which would shrink every row.
fn nearest_half(value: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(value);
  return bitcast<vec4f>((bits + vec4u(0xfffu) + ((bits >> vec4u(13u)) & vec4u(1u))) & vec4u(0xffffe000u));
}
