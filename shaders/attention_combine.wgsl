// out[t, h] = the splits of attention_partial joined (parts/join_splits.wgsl).
//   out      [num_tokens, out_stride]  f32, [head, v_dim]
// One workgroup a head, token and QUADS quads: few splits are read one after another by any thread.
@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  join_splits(id.y, id.x, id.z * QUADS, lane);
}

fn put_quad(token: u32, head: u32, quad: u32, value: vec4f) {
  out[token * (out_stride / 4u) + head * V_QUADS + quad] = value;
}
