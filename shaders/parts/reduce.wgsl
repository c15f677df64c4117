// Over all threads of the workgroup, through the `values` of the body; every thread gets the result.
fn reduce_max(lane: u32, value: f32) -> f32 {
  values[lane] = value;
  workgroupBarrier();
  for (var width = WORKGROUP_SIZE / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      values[lane] = max(values[lane], values[lane + width]);
    }
    workgroupBarrier();
  }
  let result = values[0];
  workgroupBarrier();
  return result;
}

fn reduce_sum(lane: u32, value: f32) -> f32 {
  values[lane] = value;
  workgroupBarrier();
  for (var width = WORKGROUP_SIZE / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      values[lane] += values[lane + width];
    }
    workgroupBarrier();
  }
  let result = values[0];
  workgroupBarrier();
  return result;
}
