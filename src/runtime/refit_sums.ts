import { throwIfAborted } from '../core/errors.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import { stride } from '../kernels/parts.ts';
import { FLUSH_TOKENS } from './calibrate.ts';
import type { LayerStream, StreamLayer, StreamRow } from './layer_stream.ts';
import { addTo, mirror, MomentSums } from './moment_sums.ts';
import { takeSums } from './take_sums.ts';

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

export interface GatherOptions {
  /** Takes the original's rows through their layer at the same time: they are at the next one afterwards. Default false. */
  readonly advance?: boolean;
  /** Where the converted layer's heads go, for LayerStream.advance: of the first rows, as many as there are buffers. */
  readonly heads?: readonly GPUBuffer[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the attention of both layers over their rows, side by side, and sums up. The converted rows stay as they are: advance()
 * takes them through the layer when o_proj is settled.
 * @param original its `project` runs too
 * @throws WebMlaError `aborted`, `device_lost`, `out_of_memory`, `internal` (a sum is not a number)
 */
export async function gatherRefitSums(
  stream: LayerStream,
  original: StreamSide,
  converted: StreamSide,
  { advance = false, heads: kept = [], signal }: GatherOptions = {},
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
      ...(advance ? original.layer.mix : []),
    ];
    const totals = { outputs: outputs.zeros(), targets: targets.zeros() };
    const read = async (): Promise<void> => {
      const [a, b] = await takeSums(stream.gpu, 'sums of the refit', [outputs.source, targets.source]);
      if (a && b) {
        addTo(totals.outputs, a);
        addTo(totals.targets, b);
      }
    };
    let tokens = 0;
    let waiting = 0;
    let done: Promise<void> = Promise.resolve();
    for (const [i, row] of original.rows.entries()) {
      throwIfAborted(signal);
      const other = converted.rows[i];
      if (!other) throw new RangeError(`row ${i}: expected one of the converted stream too`);
      const passage = { layer: original.layer, row };
      const keep = kept[i];
      stream.run(
        [passage, { layer: converted.layer, row: other }],
        dispatches,
        advance ? [passage] : [],
        keep ? { after: [[converted.layer.heads, keep, stream.headsBytes(row)]] } : {},
      );
      await stream.pace();
      tokens += row.tokens;
      waiting += row.tokens;
      if (waiting < FLUSH_TOKENS && row !== original.rows.at(-1)) continue;
      waiting = 0;
      // Read while the GPU goes on with the next rows.
      await done;
      done = read();
      done.catch(() => undefined);
    }
    await done;
    return { tokens, outputs: mirror(totals.outputs, width + 1), targets: totals.targets };
  } finally {
    buffers.destroy();
  }
}
