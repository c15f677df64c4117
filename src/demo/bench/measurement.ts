import type { BenchResult } from '../../measure.ts';
import { adapterName } from '../adapter_name.ts';
import { ATTENTION_NAMES } from '../forms.ts';
import { percent, rate } from '../quantities.ts';
import { isShape, subjectName } from '../subject.ts';
import { latentName } from './bench_settings.ts';
import type { BenchSettings } from './bench_settings.ts';

/** One run of the benchmark, of this visit. */
export interface Measurement {
  readonly id: number;
  readonly settings: BenchSettings;
  readonly result: BenchResult;
  /** False: it was cancelled or failed on the way. */
  readonly complete: boolean;
}

/** SmolLM2 135M, MLA, f16; tiny-chat, MLA reuse 25 %, int4 */
export function titleOf({ settings }: Measurement): string {
  const { attention, latent, cacheDtype, prefillMath } = settings;
  const form = attention === 'mla' && latent && isShape(settings.subject) ? ` ${latentName(latent)}` : '';
  return [subjectName(settings), ATTENTION_NAMES[attention] + form, cacheDtype]
    .concat(prefillMath === 'int8' ? ['int8 prefill'] : [])
    .join(', ');
}

/** For docs/benchmarks.md, an issue or a message. */
export function markdownOf(measurement: Measurement): string {
  const { adapter, streamingGBs, rows, prefill } = measurement.result;
  const lines = [
    `${titleOf(measurement)}, on ${adapterName(adapter)}${adapter.software ? ' (software)' : ''}.`,
    ...(streamingGBs === null ? [] : [`Streaming limit ${streamingGBs.toFixed(0)} GB/s.`]),
  ];
  if (rows.length > 0) {
    lines.push(
      '',
      '| context | tokens/s | spread | GPU ms a token | of it attention | dispatches |',
      '|---:|---:|---:|---:|---:|---:|',
      ...rows.map((row) => {
        const [token, attention] = [row.tokenMs, row.attentionMs].map((ms) => ms?.toFixed(3) ?? '');
        const speed = rate(row.decodeTokensPerSecond);
        return `| ${row.context} | ${speed} | ${percent(row.spread)} | ${token ?? ''} | ${attention ?? ''} | ${row.dispatchesPerToken} |`;
      }),
    );
  }
  if (prefill.length > 0) {
    lines.push(
      '',
      '| prompt | prefill tokens/s |',
      '|---:|---:|',
      ...prefill.map(({ tokens, tokensPerSecond }) => `| ${tokens} | ${rate(tokensPerSecond)} |`),
    );
  }
  return `${lines.join('\n')}\n`;
}
