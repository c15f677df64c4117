import type { Conversion, StageFigures, Subject } from '../../conversion.ts';
import { EMBEDDED_MODEL } from '../embedded_model.ts';

/** One conversion of this visit. */
export interface ConversionRecord {
  readonly id: number;
  readonly subject: Subject;
  /** Without its files: they are large, and only those of the last one are held. */
  readonly conversion: Omit<Conversion, 'files'>;
  readonly stages: readonly StageFigures[];
}

/** What `?auto=1` gives (contract: "Pages"): what `convert --json` prints, and what was measured. */
export function autoResult({ conversion, stages }: ConversionRecord): unknown {
  const { form, cacheDtype, layers, kvBytesPerToken, calibrationTokens, quality, timings } = conversion;
  return { form, cacheDtype, layers, kvBytesPerToken, calibrationTokens, quality, timings, stages };
}

/** webmla reuse, 50 %, f16 */
export function titleOf({ subject, conversion }: ConversionRecord): string {
  const { method, form, cacheDtype, kvBytesPerToken, refit } = conversion;
  const name = method === 'webmla' ? form : method;
  const parts = [name, percentOf(kvBytesPerToken / subject.gqaBytes.f16), cacheDtype];
  return [...parts, ...(refit || method === 'exact' ? [] : ['no refit'])].join(', ');
}

/** Of a folder: no slashes, and nothing that an address would have to encode. */
export function folderName({ subject, conversion }: ConversionRecord): string {
  const { method, form, cacheDtype, kvBytesPerToken } = conversion;
  const model = (subject.name || EMBEDDED_MODEL.name).replace(/\.(gguf|safetensors)$/, '');
  return [model, method === 'webmla' ? form : method, `${kvBytesPerToken}B`, cacheDtype]
    .join('-')
    .replaceAll(/[^\w.-]+/g, '_');
}

/** 50 %, 7.5 % */
export function percentOf(share: number): string {
  const value = share * 100;
  return `${value < 9.95 && Math.abs(value - Math.round(value)) > 0.05 ? value.toFixed(1) : value.toFixed(0)} %`;
}
