import type { ModelSource } from '../index.ts';
import { fieldsOf, textOr } from './plain_data.ts';
import { EMBEDDED_MODEL } from './embedded_model.ts';
import { absoluteAddress, lastPart } from './model_address.ts';

/** A model that a person chose. */
export type ModelChoice =
  | { readonly kind: 'embedded' }
  /** http(s) address or Hub id, or made:NAME of a model that was converted here and is kept (formats/kept_models.ts) */
  | { readonly kind: 'address'; readonly address: string }
  | {
      readonly kind: 'local';
      readonly name: string;
      readonly source: readonly File[] | FileSystemDirectoryHandle;
    };

/** What of a choice can be stored. Files of the person's disk have to be chosen again after a reload. */
export type ModelKey =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'local'; readonly name: string };

export const EMBEDDED: ModelChoice & ModelKey = { kind: 'embedded' };

const MADE = 'made:';

/** Where createEngine finds it. @throws WebMlaError `missing_file` for a kept model that is gone, `storage` */
export async function sourceOf(choice: ModelChoice): Promise<ModelSource> {
  if (choice.kind === 'embedded') return new URL(EMBEDDED_MODEL.path, document.baseURI).href;
  if (choice.kind === 'local') return choice.source;
  if (!choice.address.startsWith(MADE)) return choice.address;
  const { KeptModels } = await import('../conversion.ts');
  return (await KeptModels.open()).folder(choice.address.slice(MADE.length));
}

/** The address of a model that was converted here and is kept. */
export function madeAddress(name: string): string {
  return MADE + name;
}

/**
 * What a person typed, or `?model=`: an address on the page's own server may be relative, if it begins with a dot or a
 * slash; anything else is for the engine to judge.
 */
export function addressChoice(text: string): ModelChoice & ModelKey {
  const address = absoluteAddress(text);
  const embedded = new URL(EMBEDDED_MODEL.path, document.baseURI).href;
  return address === embedded ? EMBEDDED : { kind: 'address', address };
}

export function localChoice(files: readonly File[]): ModelChoice {
  const [first] = files;
  const folder = first?.webkitRelativePath.split('/')[0] ?? '';
  const name = folder !== '' ? folder : files.length === 1 && first ? first.name : `${files.length} files`;
  return { kind: 'local', name, source: files };
}

export function keyOf(choice: ModelChoice): ModelKey {
  return choice.kind === 'local' ? { kind: 'local', name: choice.name } : choice;
}

export function sameModel(a: ModelKey, b: ModelKey): boolean {
  if (a.kind === 'address') return b.kind === 'address' && a.address === b.address;
  return a.kind === b.kind && labelOf(a) === labelOf(b);
}

/** For display: the last part of a long address or Hub id. */
export function labelOf(key: ModelKey): string {
  if (key.kind === 'embedded') return EMBEDDED_MODEL.name;
  if (key.kind === 'local') return key.name;
  return key.address.startsWith(MADE) ? key.address.slice(MADE.length) : lastPart(key.address);
}

/** Where it is, in words. */
export function placeOf(key: ModelKey): string {
  if (key.kind === 'embedded') return 'On this page';
  if (key.kind === 'local') return 'From this device; has to be chosen again';
  return key.address.startsWith(MADE) ? 'Converted on this device' : key.address;
}

/** @returns null when it is none */
export function parseKey(stored: unknown): ModelKey | null {
  const { kind, address, name } = fieldsOf(stored);
  if (kind === 'embedded') return EMBEDDED;
  if (kind === 'address' && typeof address === 'string') return { kind, address };
  if (kind === 'local') return { kind, name: textOr(name, 'local files') };
  return null;
}
