// out[t, i] = x[t, i] * norm_weight[i] / sqrt(mean_i(x[t, i]²) + rms_norm_eps)
//   x, out       [num_tokens, stride]    f32, padded with zeros behind in_dim
//   norm_weight  [stride]                f32, padded with zeros
// One workgroup a token; each thread strides over the row. Decode fuses this into matvec (parts/input_rms_norm).
const WORKGROUP_SIZE = 64u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> norm_weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

var<workgroup> partial: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quads = stride / 4u;
  let base = group.x * quads;
  var sum = 0.0;
  for (var i = lane; i < quads; i += WORKGROUP_SIZE) {
    sum += dot(x[base + i], x[base + i]);
  }
  partial[lane] = sum;
  workgroupBarrier();
  // Every thread adds up all partial sums: cheaper than a tree with its barriers.
  var total = 0.0;
  for (var i = 0u; i < WORKGROUP_SIZE; i++) {
    total += partial[i];
  }
  let scale = inverseSqrt(total / f32(in_dim) + rms_norm_eps);
  for (var i = lane; i < quads; i += WORKGROUP_SIZE) {
    out[base + i] = x[base + i] * norm_weight[i] * scale;
  }
}
