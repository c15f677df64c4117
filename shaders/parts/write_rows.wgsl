// 4 rows of one token, if there are such.
fn write_rows(token: u32, row: u32, sums: vec4f) {
  if (token >= step.num_tokens || row >= out_dim) {
    return;
  }
  var y = sums;
  if (has_bias) {
    let last = out_dim - 1u;
    y += vec4f(
      bias[row_offset + row],
      bias[row_offset + min(row + 1u, last)],
      bias[row_offset + min(row + 2u, last)],
      bias[row_offset + min(row + 3u, last)],
    );
  }
  write_pair(token, row, y.x, y.y);
  if (row + 2u < out_dim) {
    write_pair(token, row + 2u, y.z, y.w);
  }
}
