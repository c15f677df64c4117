import { WebMlaError } from '../core/errors.ts';

/** Which of the files of a model are its weights. Both null: safetensors under the usual names. */
export interface WeightsChoice {
  readonly ggufPath: string | null;
  readonly safetensorsPath: string | null;
}

export const USUAL_WEIGHTS: WeightsChoice = { ggufPath: null, safetensorsPath: null };

/**
 * Chooses from a list of all files. Safetensors beside a config.json go before a GGUF; a single file of either kind needs
 * no usual name; of a split GGUF the first part is meant.
 * @throws WebMlaError `bad_request` when several GGUF come into question
 */
export function chooseWeights(paths: readonly string[], name: string): WeightsChoice {
  const hasConfig = paths.includes('config.json');
  const usual = paths.some((path) => /^model\.safetensors(\.index\.json)?$/.test(path));
  if (hasConfig && usual) return USUAL_WEIGHTS;
  const safetensors = paths.filter((path) => path.endsWith('.safetensors') && !path.includes('/'));
  if (hasConfig && safetensors.length === 1) {
    return { ggufPath: null, safetensorsPath: safetensors[0] ?? null };
  }
  const ggufs = paths.filter(isModelGguf);
  if (ggufs.length > 1) {
    throw new WebMlaError(
      'bad_request',
      `${name}: expected one GGUF, got ${ggufs.length}: ${ggufs.slice(0, 30).join(', ')}`,
      'Name one of them, e.g. owner/name/file.gguf or the address of the file.',
      { files: ggufs },
    );
  }
  return { ggufPath: ggufs[0] ?? null, safetensorsPath: null };
}

/** Not the later parts of a split file, not the vision towers and importance matrices that lie beside models. */
function isModelGguf(path: string): boolean {
  if (!path.endsWith('.gguf') || /(^|\/)(mmproj|imatrix)/i.test(path)) return false;
  const part = /-(\d{5})-of-\d{5}\.gguf$/.exec(path)?.[1];
  return part === undefined || part === '00001';
}
