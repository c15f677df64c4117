// The request's sampling parameters (src/kernels/sample.ts).
struct Sampling {
  temperature: f32,
  top_p: f32, // 1: off
  min_p: f32, // 0: off
  repetition_penalty: f32, // 1: off
  presence_penalty: f32,
  frequency_penalty: f32,
  top_k: u32, // 0: off
  seed: u32,
  greedy: u32, // 1: no noise, the likeliest token (after penalties)
}
