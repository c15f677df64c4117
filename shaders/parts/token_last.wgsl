// The last token of the step.
fn own_token() -> u32 {
  return step.num_tokens - 1u;
}
