import type { ByteSource } from './byte_source.ts';

/** The files of one model, wherever they lie. */
export interface ModelFiles {
  /** For messages and display. */
  readonly name: string;
  /** Path of the GGUF to open (the first part of a split one); null for a model in safetensors. */
  readonly ggufPath: string | null;
  /** Path of the safetensors file when it has another name than the usual ones. */
  readonly safetensorsPath: string | null;
  /** @returns null when there is no such file */
  open(path: string, signal?: AbortSignal): Promise<ByteSource | null>;
}

/** The same files under another name. */
export function renamed(files: ModelFiles, name: string): ModelFiles {
  const { ggufPath, safetensorsPath } = files;
  return { name, ggufPath, safetensorsPath, open: async (path, signal) => files.open(path, signal) };
}
