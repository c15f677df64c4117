// A thread serves two neighbouring rows: many threads, for matrices with few rows.
const ROWS = 2u;
alias RowValues = vec2f;

fn dot_rows(first_row: u32, group: u32, x: Group, x_sum: f32) -> RowValues {
  return RowValues(
    dot_weight(min(first_row, out_dim - 1u), group, x, x_sum),
    dot_weight(min(first_row + 1u, out_dim - 1u), group, x, x_sum),
  );
}

fn write_values(first_row: u32, values: RowValues) {
  write_rows(first_row, values);
}
