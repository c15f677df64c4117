// out[i] = Σ of every 4 floats of `data` that thread i reads, i + k * threads for all k: what a GPU can read at best.
//   data  [quads]    vec4f
//   out   [threads]  f32
// Threads of a workgroup read neighbouring quads; four loads are in flight.
@group(0) @binding(0) var<storage, read> data: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = vec4f(0.0);
  for (var i = id.x; i < quads; i += 4u * threads) {
    let last = quads - 1u;
    let b = min(i + threads, last);
    let c = min(i + 2u * threads, last);
    let d = min(i + 3u * threads, last);
    let values = data[i]
      + select(vec4f(0.0), data[b], i + threads < quads)
      + select(vec4f(0.0), data[c], i + 2u * threads < quads)
      + select(vec4f(0.0), data[d], i + 3u * threads < quads);
    sum += values;
  }
  if (id.x < threads) {
    out[id.x] = sum.x + sum.y + sum.z + sum.w;
  }
}
