// Radix selection over the bits of the scores: the cut of top_k and top_p without sorting. Uses the histogram, prefix and
// remaining of the body; all threads of its one workgroup take part.

// The largest t at or above which lie at least `wanted` tokens (or 2^-31ths of the probability) of those above `bottom`.
fn select_threshold(lane: u32, bottom: u32, wanted: u32, by_mass: bool, highest: f32, mass: f32) -> u32 {
  if (lane == 0u) {
    prefix = 0u;
    remaining = wanted;
  }
  for (var shift = 32u; shift > 0u; shift -= 8u) {
    atomicStore(&histogram[lane], 0u);
    workgroupBarrier();
    for (var i = lane; i < vocab_size; i += WORKGROUP_SIZE) {
      let key = order(scores[i]);
      let inside = shift == 32u || (key >> (shift % 32u)) == prefix;
      if (key >= bottom && inside) {
        let weight = select(1u, u32(exp(scores[i] - highest) / mass * 2147483648.0), by_mass);
        atomicAdd(&histogram[(key >> (shift - 8u)) & 255u], weight);
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var bin = 255u;
      var lowest_filled = 0u;
      var above = 0u;
      loop {
        let here = atomicLoad(&histogram[bin]);
        if (here > 0u) {
          lowest_filled = bin;
        }
        if (above + here >= remaining || bin == 0u) {
          break;
        }
        above += here;
        bin--;
      }
      if (above + atomicLoad(&histogram[bin]) < remaining) {
        // Rounding left less than was asked for: everything is kept, in this pass and in the next.
        bin = lowest_filled;
        remaining = 0xffffffffu;
      } else {
        remaining -= above;
      }
      prefix = (prefix << 8u) | bin;
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&prefix);
}

// Floats as unsigned integers of the same order.
fn order(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
