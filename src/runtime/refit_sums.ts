import { throwIfAborted } from '../core/errors.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import { stride } from '../kernels/parts.ts';
import type { LayerStream, StreamLayer, StreamRow } from './layer_stream.ts';
import { mirror, MomentSums } from './moment_sums.ts';

/**
 * What the refit of o_proj needs (research/lab, step 8): with õ = [heads of the converted layer ; 1] on the converted stream and
 * t = the original layer's o_proj output on the original stream, the same tokens in both.
 */
export interface RefitSums {
  readonly tokens: number;
  /** Σ õ õᵀ, [width + 1, width + 1], width = num_attention_heads * head_dim */
  readonly outputs: Float64Array;
  /** Σ t õᵀ, [hidden_size, width + 1] */
  readonly targets: Float64Array;
}

/** A layer and the rows that come to it. */
export interface StreamSide {
  readonly layer: StreamLayer;
  readonly rows: readonly StreamRow[];
}

/** Tokens between two readings of the sums. */
const FLUSH_TOKENS = 16_384;

/**
 * Runs the attention of both layers over their rows, side by side, and sums up. The rows stay as they are: advance() takes
 * them through the layer when o_proj is settled.
 * @param original its `project` runs too
 * @throws WebMlaError `aborted`, `device_lost`, `out_of_memory`, `internal` (a sum is not a number)
 */
export async function gatherRefitSums(
  stream: LayerStream,
  original: StreamSide,
  converted: StreamSide,
  signal?: AbortSignal,
): Promise<RefitSums> {
  const { num_attention_heads, head_dim, hidden_size } = stream.config;
  const width = num_attention_heads * head_dim;
  const buffers = new Buffers(stream.gpu.device);
  try {
    const heads = { dim: width, stride: stride(width), offset: 0, batch: 0, ones: true };
    const target = { dim: hidden_size, stride: stride(hidden_size), offset: 0, batch: 0, ones: false };
    const common = { batches: 1, weights: null };
    const [outputs, targets] = await watchMemory(stream.gpu.device, 'sums of the refit', () => [
      new MomentSums(
        stream,
        buffers,
        'refit_outputs',
        { ...common, x: heads, y: heads, symmetric: true },
        { x: converted.layer.heads, y: converted.layer.heads },
      ),
      new MomentSums(
        stream,
        buffers,
        'refit_targets',
        { ...common, x: target, y: heads, symmetric: false },
        { x: original.layer.projected, y: converted.layer.heads },
      ),
    ]);
    await stream.pipelines.compileAll();
    const dispatches = [
      ...original.layer.attend,
      ...original.layer.project,
      ...converted.layer.attend,
      outputs.dispatch,
      targets.dispatch,
    ];
    const totals = { outputs: outputs.zeros(), targets: targets.zeros() };
    let tokens = 0;
    let waiting = 0;
    for (const [i, row] of original.rows.entries()) {
      throwIfAborted(signal);
      const other = converted.rows[i];
      if (!other) throw new RangeError(`row ${i}: expected one of the converted stream too`);
      stream.run(
        [
          { layer: original.layer, row },
          { layer: converted.layer, row: other },
        ],
        dispatches,
      );
      await stream.pace();
      tokens += row.tokens;
      waiting += row.tokens;
      if (waiting < FLUSH_TOKENS && row !== original.rows.at(-1)) continue;
      waiting = 0;
      const [a, b] = await stream.take('sums of the refit', [outputs.sums, targets.sums]);
      if (a && b) {
        outputs.add(totals.outputs, a);
        targets.add(totals.targets, b);
      }
    }
    return { tokens, outputs: mirror(totals.outputs, width + 1), targets: totals.targets };
  } finally {
    buffers.destroy();
  }
}
