import type { Material } from './convert_session.ts';

/** Far enough into a safetensors file to find its metadata, which are written first. */
const HEAD = 4096;

/**
 * A file that is no model: text to calibrate on, or statistics.
 * @returns null for anything else
 */
export async function materialFrom(files: readonly File[]): Promise<Material | null> {
  const [file] = files;
  if (!file || files.length > 1) return null;
  if (/\.(txt|md)$/i.test(file.name)) return { kind: 'own', text: await file.text() };
  if (!file.name.endsWith('.safetensors')) return null;
  const head = await file.slice(0, HEAD).text();
  return head.includes('webmla.statistics') ? { kind: 'statistics', file } : null;
}
