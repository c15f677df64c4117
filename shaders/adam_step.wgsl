// One step of Adam (Kingma and Ba, arXiv 1412.6980), betas 0.9 and 0.98, after which the gradient is 0 again:
//   g = gradient_scale gradient,  first = 0.9 first + 0.1 g,  second = 0.98 second + 0.02 g²,
//   value -= rate (first / first_correction) / (sqrt(second / second_correction) + 1e-8)
//   value, gradient, first, second  [count]  f32
// One thread every so-manieth element: the grid may be smaller than the tensor.
struct Adam {
  rate: f32,
  first_correction: f32,
  second_correction: f32,
  gradient_scale: f32,
}
@group(0) @binding(0) var<storage, read_write> value: array<f32>;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> first: array<f32>;
@group(0) @binding(3) var<storage, read_write> second: array<f32>;
@group(0) @binding(4) var<uniform> adam: Adam;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  // The buffers' own length, not a constant: one pipeline for tensors of all sizes.
  for (var i = id.x; i < arrayLength(&value); i += groups.x * 256u) {
    let g = adam.gradient_scale * gradient[i];
    let m = 0.9 * first[i] + 0.1 * g;
    let v = 0.98 * second[i] + 0.02 * g * g;
    first[i] = m;
    second[i] = v;
    value[i] -= adam.rate * (m / adam.first_correction) / (sqrt(v / adam.second_correction) + 1e-8);
    gradient[i] = 0.0;
  }
}
