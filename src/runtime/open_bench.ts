import type { ShapeName } from '../core/shapes.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import { openModelFiles } from '../formats/open_model_files.ts';
import { bench, sourceOfCheckpoint, sourceOfShape } from './bench.ts';
import type { BenchOptions, BenchProgress, BenchResult } from './bench.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { RandomLatent } from './random_decoder.ts';
import { openStore } from './stored_files.ts';

/** What to measure, in a form that can be sent to a worker. */
export interface BenchRequest extends Omit<BenchOptions, 'onProgress' | 'signal'> {
  /** A shape with random 4-bit weights (latent: as MLA), or a model: http(s) address or Hub id. */
  readonly subject:
    | { readonly shape: ShapeName; readonly latent?: RandomLatent }
    | { readonly model: string };
}

/** @throws WebMlaError as an engine does that loads this model */
export async function openBench(
  { subject, ...options }: BenchRequest,
  webgpu: GPU | undefined,
  onProgress: (progress: BenchProgress) => void,
  signal: AbortSignal,
): Promise<BenchResult> {
  onProgress({ what: 'opening', share: 0, result: null });
  const source =
    'shape' in subject
      ? sourceOfShape(subject.shape, subject.latent)
      : await sourceOfModel(subject.model, signal);
  return bench(source, webgpu, { ...options, onProgress, signal });
}

async function sourceOfModel(model: string, signal: AbortSignal): Promise<DecoderSource> {
  // Where nothing may be kept, it is read from the network.
  const store = await openStore().catch(() => null);
  const files = await openModelFiles(model, { store, signal });
  return sourceOfCheckpoint(await openCheckpoint(files, signal), signal);
}
