// out[t, h] = W[h / heads_per_matrix] x: x the splits of attention_partial joined (parts/join_splits.wgsl), W unembed_out of
// absorbed MLA.
//   weight   [matrices * out_dim, v_dim]  part: weight; rows padded to groups of 32
//   out      [num_tokens, out_stride]     f32, [head, out_dim]
// One workgroup a head and token; LANES threads share a row of W.
const ROWS = THREADS / LANES;
@group(0) @binding(0) var<storage, read> weight: array<vec4u>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> partials: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> latent: array<vec4f, 8u * in_groups>;
var<workgroup> lane_sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var quad = V_QUADS + lane; quad < 8u * in_groups; quad += THREADS) {
    latent[quad] = vec4f(0.0);
  }
  join_splits(id.y, id.x, 0u, lane);
  workgroupBarrier();
  let own = lane % LANES;
  for (var first = 0u; first < out_dim; first += ROWS) {
    let o = first + lane / LANES;
    let row = id.x / heads_per_matrix * out_dim + min(o, out_dim - 1u);
    var sum = 0.0;
    for (var group = own; group < in_groups; group += LANES) {
      let at = group * 8u;
      let x = Group(latent[at], latent[at + 1u], latent[at + 2u], latent[at + 3u], latent[at + 4u], latent[at + 5u], latent[at + 6u], latent[at + 7u]);
      let total = x.a + x.b + x.c + x.d + x.e + x.f + x.g + x.h;
      sum += dot_fetched(fetch_group(row * in_groups + group), x, total.x + total.y + total.z + total.w);
    }
    lane_sums[lane] = sum;
    workgroupBarrier();
    if (own == 0u && o < out_dim) {
      for (var i = 1u; i < LANES; i++) {
        sum += lane_sums[lane + i];
      }
      out[id.y * out_stride + id.x * out_dim + o] = sum;
    }
    workgroupBarrier();
  }
}

fn put_quad(token: u32, head: u32, quad: u32, value: vec4f) {
  latent[quad] = value;
}
