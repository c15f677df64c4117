import { at } from './at.ts';

/** A converted layer's attention with nothing absorbed; src/convert/latent_maps.ts has the formulas and the names. */
export interface LatentLayer {
  readonly form: 'strict' | 'reuse' | 'recon';
  readonly heads: number;
  readonly groups: number;
  readonly head_dim: number;
  readonly hidden_size: number;
  readonly kv_lora_rank: number;
  /** Frequency of each rope pair. */
  readonly pairs: ArrayLike<number>;
  /** [tokens, frequencies, 2] (cos, sin) */
  readonly table: ArrayLike<number>;
  readonly frequencies: number;
  /** recon: [2 pairs, kv_lora_rank] and its bias. */
  readonly ropeRebuild: ArrayLike<number>;
  readonly ropeRebuildBias: ArrayLike<number>;
}

export type LatentTensors = Readonly<
  Record<
    'down' | 'downBias' | 'ropeQuery' | 'keyUp' | 'valueUp' | 'valueConstant' | 'outputWeight' | 'outputBias',
    ArrayLike<number>
  >
>;

/** W x + b, row after row of x; W [outputs, inputs] reads the leading `inputs` of a row of `width`. */
function linear(
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | null,
  x: ArrayLike<number>,
  [inputs, outputs, width]: readonly [number, number, number],
): Float64Array {
  const out = new Float64Array((x.length / width) * outputs);
  for (let i = 0; i < out.length; i++) {
    const [t, o] = [Math.floor(i / outputs), i % outputs];
    let sum = bias ? at(bias, o) : 0;
    for (let k = 0; k < inputs; k++) sum += at(weight, o * inputs + k) * at(x, t * width + k);
    out[i] = sum;
  }
  return out;
}

/**
 * What o_proj gives.
 * @param q queries before rope, [tokens, heads * head_dim]
 * @param y keys and values before rope, [tokens, 2 * groups * head_dim]
 * @returns [tokens, hidden_size]
 */
export function latentOutput(
  layer: LatentLayer,
  tensors: LatentTensors,
  q: ArrayLike<number>,
  y: ArrayLike<number>,
): Float64Array {
  const { form, heads, groups, head_dim: d, hidden_size, kv_lora_rank, pairs } = layer;
  const tokens = q.length / (heads * d);
  const half = pairs.length;
  const rope = 2 * half;
  const width = groups * d;
  const row = form === 'recon' ? kv_lora_rank : kv_lora_rank + rope;
  const read = form === 'reuse' ? row : kv_lora_rank;
  /** Element i of a vector that begins at `base`, rotated by token t. */
  const turned = (x: ArrayLike<number>, base: number, i: number, t: number): number => {
    const angle = (t * layer.frequencies + at(pairs, i % half)) * 2;
    const [cos, sin] = [at(layer.table, angle), at(layer.table, angle + 1)];
    const [a, b] = [at(x, base + (i % half)), at(x, base + (i % half) + half)];
    return i < half ? a * cos - b * sin : b * cos + a * sin;
  };
  const x = linear(tensors.down, tensors.downBias, y, [2 * width, row, 2 * width]);
  const content = linear(tensors.keyUp, null, x, [read, width, row]);
  const values = linear(tensors.valueUp, tensors.valueConstant, x, [read, width, row]);
  const keys =
    form === 'recon'
      ? linear(layer.ropeRebuild, layer.ropeRebuildBias, x, [row, rope, row])
      : Float64Array.from({ length: tokens * rope }, (_, i) =>
          at(x, Math.floor(i / rope) * row + kv_lora_rank + (i % rope)),
        );
  const ropeKeys = keys.map((_, i) => turned(keys, i - (i % rope), i % rope, Math.floor(i / rope)));
  const out = new Float64Array(tokens * heads * d);
  for (let h = 0; h < heads; h++) {
    const j = Math.floor((h * groups) / heads);
    for (let t = 0; t < tokens; t++) {
      const from = (t * heads + h) * d;
      const plain = Float64Array.from({ length: rope }, (_, i) => {
        let sum = 0;
        for (let c = 0; c < d; c++) sum += at(tensors.ropeQuery, (j * rope + i) * d + c) * at(q, from + c);
        return sum;
      });
      const query = plain.map((_, i) => turned(plain, 0, i, t));
      const weights = Array.from({ length: t + 1 }, (_, n) => {
        let score = 0;
        for (let c = 0; c < d; c++) score += at(q, from + c) * at(content, n * width + j * d + c);
        for (let i = 0; i < rope; i++) score += at(query, i) * at(ropeKeys, n * rope + i);
        return score * d ** -0.5;
      });
      const highest = weights.reduce((a, b) => Math.max(a, b));
      const powers = weights.map((score) => Math.exp(score - highest));
      const total = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, n) => {
        for (let c = 0; c < d; c++) {
          out[from + c] = at(out, from + c) + (power / total) * at(values, n * width + j * d + c);
        }
      });
    }
  }
  return linear(tensors.outputWeight, tensors.outputBias, out, [heads * d, hidden_size, heads * d]);
}
