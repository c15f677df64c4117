// A thread serves four neighbouring rows: x is read once for all of them, and more loads are in flight.
const ROWS = 4u;
alias RowValues = vec4f;

fn dot_rows(first_row: u32, group: u32, x: Group, x_sum: f32) -> RowValues {
  return RowValues(
    dot_weight(min(first_row, out_dim - 1u), group, x, x_sum),
    dot_weight(min(first_row + 1u, out_dim - 1u), group, x, x_sum),
    dot_weight(min(first_row + 2u, out_dim - 1u), group, x, x_sum),
    dot_weight(min(first_row + 3u, out_dim - 1u), group, x, x_sum),
  );
}

fn write_values(first_row: u32, values: RowValues) {
  write_rows(first_row, values.xy);
  write_rows(first_row + 2u, values.zw);
}
