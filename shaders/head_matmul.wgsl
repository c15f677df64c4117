// y[t, h, o] = Σ_i W[h / heads_per_group, o, i] x[t, h, i]: a matrix of its own for each group of heads. In MLA these are
// embed_q (query -> latent) and unembed_out (latent -> value).
//   weight  [groups * out_dim, in_dim]                 part: weight; rows padded to groups of 32
//   x       [num_tokens, x_stride]                     f32; head h begins at x_offset + h * in_dim
//   out     [num_tokens, num_heads * out_dim]          f32
// One thread an output element.
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let o = id.x;
  let head = id.y;
  let t = id.z;
  if (o >= out_dim) {
    return;
  }
  let row = head / heads_per_group * out_dim + o;
  let base = (t * x_stride + x_offset + head * in_dim) / 4u;
  var sum = 0.0;
  for (var quad = 0u; quad < in_dim / 4u; quad++) {
    sum += dot(load_weight4(row, quad), x[base + quad]);
  }
  out[t * out_stride + head * out_dim + o] = sum;
}
