// best[i] = (largest logit, its index) of the i-th slice of CHUNK logits. Ties: lowest index. NaN never wins; a slice
// without a number has index 0xffffffff.
//   logits  [vocab_size]  f32
//   best    [slices, 2]   f32 bits, u32
// One workgroup a slice. Greedy decoding reads the logits nowhere else.
const WORKGROUP_SIZE = 64u;
const CHUNK = 1024u;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> best: array<vec2u>;

var<workgroup> values: array<f32, WORKGROUP_SIZE>;
var<workgroup> indices: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var value = -3.4e38;
  var index = 0xffffffffu;
  let end = min((group.x + 1u) * CHUNK, vocab_size);
  for (var i = group.x * CHUNK + lane; i < end; i += WORKGROUP_SIZE) {
    if (logits[i] > value) {
      value = logits[i];
      index = i;
    }
  }
  values[lane] = value;
  indices[lane] = index;
  workgroupBarrier();
  for (var width = WORKGROUP_SIZE / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      let other = lane + width;
      if (values[other] > values[lane] || (values[other] == values[lane] && indices[other] < indices[lane])) {
        values[lane] = values[other];
        indices[lane] = indices[other];
      }
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    best[group.x] = vec2u(bitcast<u32>(values[0]), indices[0]);
  }
}
