// out += y: the residual stream is updated in place.
fn write_pair(token: u32, row: u32, a: f32, b: f32) {
  let at = token * out_stride + row_offset + row;
  out[at] += a;
  if (row + 1u < out_dim) {
    out[at + 1u] += b;
  }
}

fn finish(group: u32, local: u32) {}
