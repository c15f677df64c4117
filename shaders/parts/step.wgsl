// What changes from one submit to the next (src/gpu/step.ts).
struct Step {
  position: u32,
  num_tokens: u32,
  num_splits: u32,
  split_len: u32,
}
