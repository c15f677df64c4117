// hidden[t, i] = embed_tokens[tokens[position + t], i]
//   weight  [rows, hidden_size]      part: weight. Rows row_offset .. row_offset + rows of the table: a table that is too
//                                    large for one binding comes in pieces, and each piece serves its own tokens
//   tokens  [context]                u32, written by the host (prompt) or by the sampler
//   hidden  [num_tokens, stride]     f32; the padding behind in_dim is not touched and stays zero
// One thread for 4 elements of one token.
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> hidden: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let quad = id.x;
  let t = id.y;
  if (quad >= in_dim / 4u) {
    return;
  }
  let token = tokens[step.position + t];
  if (token < row_offset || token >= row_offset + rows) {
    return;
  }
  hidden[t * out_stride / 4u + quad] = load_weight4(token - row_offset, quad);
}
