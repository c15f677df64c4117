// out = y, and best[best_offset + workgroup] = (largest of the workgroup's rows, its index): the first half of an argmax. Ties:
// lowest index. NaN never wins; rows without a number have index 0xffffffff.
var<private> best_value = -3.4e38;
var<private> best_row = 0xffffffffu;
var<workgroup> set_best: array<vec2u, SETS>;

fn write_pair(token: u32, row: u32, a: f32, b: f32) {
  let at = token * out_stride + row_offset + row;
  out[at] = a;
  offer(a, row_offset + row);
  if (row + 1u < out_dim) {
    out[at + 1u] = b;
    offer(b, row_offset + row + 1u);
  }
}

fn offer(value: f32, row: u32) {
  if (value > best_value) {
    best_value = value;
    best_row = row;
  }
}

fn finish(group: u32, local: u32) {
  if (local % LANES == 0u) {
    set_best[local / LANES] = vec2u(bitcast<u32>(best_value), best_row);
  }
  workgroupBarrier();
  if (local == 0u) {
    // Sets are in the order of their rows.
    for (var i = 1u; i < SETS; i++) {
      offer(bitcast<f32>(set_best[i].x), set_best[i].y);
    }
    best[best_offset + group] = vec2u(bitcast<u32>(best_value), best_row);
  }
}
