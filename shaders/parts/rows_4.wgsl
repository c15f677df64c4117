// A thread serves four neighbouring rows: x is read once for all of them, and more loads are in flight.
const ROWS = 4u;
alias RowValues = vec4f;

struct FetchedRows {
  a: Fetched,
  b: Fetched,
  c: Fetched,
  d: Fetched,
}

fn fetch_rows(first_row: u32, group: u32) -> FetchedRows {
  return FetchedRows(
    fetch_group(min(first_row, out_dim - 1u) * in_groups + group),
    fetch_group(min(first_row + 1u, out_dim - 1u) * in_groups + group),
    fetch_group(min(first_row + 2u, out_dim - 1u) * in_groups + group),
    fetch_group(min(first_row + 3u, out_dim - 1u) * in_groups + group),
  );
}

fn dot_rows(w: FetchedRows, x: Group, x_sum: f32) -> RowValues {
  return RowValues(
    dot_fetched(w.a, x, x_sum),
    dot_fetched(w.b, x, x_sum),
    dot_fetched(w.c, x, x_sum),
    dot_fetched(w.d, x, x_sum),
  );
}

fn write_values(first_row: u32, values: RowValues) {
  write_rows(first_row, values.xy);
  write_rows(first_row + 2u, values.zw);
}
