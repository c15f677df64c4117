// sums[i] = Σ_s slices[s, i], after which the slices are 0 again: what kernels that sum in slices are read through.
//   slices  [SLICES, count]  f32
//   sums    [count]          f32
// One thread every so-manieth element: the grid may be smaller than the sums.
@group(0) @binding(0) var<storage, read_write> slices: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < count; i += groups.x * 256u) {
    var sum = 0.0;
    for (var s = 0u; s < SLICES; s++) {
      sum += slices[s * count + i];
      slices[s * count + i] = 0.0;
    }
    sums[i] = sum;
  }
}
