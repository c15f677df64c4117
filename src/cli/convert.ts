import { latentShape } from '../core/layers.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import type { StoredCacheDtype } from '../formats/latent_config.ts';
import { convertModel } from '../runtime/convert_model.ts';
import type { Arguments } from './arguments.ts';
import { openFiles } from './node_files.ts';
import { terminalProgress } from './progress.ts';
import { writeFolder } from './write_folder.ts';

export interface Converted {
  readonly form: string;
  readonly cacheDtype: StoredCacheDtype;
  readonly layers: readonly { readonly kvLoraRank: number; readonly qkRopeHeadDim: number }[];
  readonly kvBytesPerToken: number;
  readonly calibrationTokens: number;
  readonly timings: { readonly readMs: number; readonly convertMs: number; readonly writeMs: number };
}

/** webmla convert: a GQA checkpoint to a folder with MLA. */
export async function convert(args: Arguments): Promise<Converted> {
  const out = args.required('out');
  const method = args.choice('method', ['exact']) ?? 'exact';
  const cacheDtype = args.choice('cache-dtype', ['f32', 'f16']) ?? 'f16';
  const started = performance.now();
  const progress = terminalProgress();
  const files = await openFiles(args.required('model'));
  const model = await convertModel(await openCheckpoint(files), {
    method,
    cacheDtype,
    weights: 'as-is',
    onProgress: progress.show,
  });
  progress.clear();
  const converted = performance.now();
  await writeFolder(out, model.files);
  const { latent } = model;
  const [first] = latent.layers;
  return {
    form: first?.latent ?? 'strict',
    cacheDtype,
    layers: latent.layers.map(({ kv_lora_rank, qk_rope_head_dim }) => ({
      kvLoraRank: kv_lora_rank,
      qkRopeHeadDim: qk_rope_head_dim,
    })),
    kvBytesPerToken:
      latent.layers.reduce((sum, layer) => sum + latentShape(layer).row_dim, 0) *
      (cacheDtype === 'f32' ? 4 : 2),
    calibrationTokens: 0,
    timings: {
      readMs: converted - started - model.convertMs,
      convertMs: model.convertMs,
      writeMs: performance.now() - converted,
    },
  };
}
