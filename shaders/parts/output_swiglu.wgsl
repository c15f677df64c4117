// Rows are gate_0, up_0, gate_1, up_1, ...; out[i] = silu(gate_i) * up_i. The exponent is clamped: WGSL may assume that no
// infinity arises.
fn write_pair(token: u32, row: u32, a: f32, b: f32) {
  out[token * out_stride + (row_offset + row) / 2u] = a / (1.0 + exp(min(-a, 80.0))) * b;
}

fn finish(group: u32, local: u32) {}
