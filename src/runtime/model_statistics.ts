import type { LayerStatistics } from '../convert/statistics.ts';
import { writeStatistics } from '../convert/statistics_file.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';

export { readStatistics } from '../convert/statistics_file.ts';

/** Statistics as a file, in parts. */
export function statisticsFile(
  { name, config }: Checkpoint,
  layers: readonly LayerStatistics[],
): Uint8Array<ArrayBuffer>[] {
  const { num_attention_heads, num_key_value_heads, head_dim } = config;
  return writeStatistics({
    info: { model: name, num_attention_heads, num_key_value_heads, head_dim },
    layers,
  });
}
