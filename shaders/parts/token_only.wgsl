// Steps of one token.
fn own_token() -> u32 {
  return 0u;
}
