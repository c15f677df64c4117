import { memorySource } from '../../../src/formats/byte_source.ts';
import { listedFiles } from '../../../src/formats/listed_files.ts';
import type { ModelFiles } from '../../../src/formats/model_files.ts';

type Content = Uint8Array | readonly Uint8Array[] | object | string;

/** Files of a model in memory. Objects become JSON, lists of parts one file. */
export function memoryFiles(contents: Readonly<Record<string, Content>>, name = 'model'): ModelFiles {
  const open = Object.entries(contents).map(([path, content]) => {
    const source = memorySource(bytesOf(content), path);
    return [path, async () => source] as const;
  });
  return listedFiles(name, new Map(open));
}

export function bytesOf(content: Content): Uint8Array<ArrayBuffer> {
  if (content instanceof Uint8Array) return new Uint8Array(content);
  if (Array.isArray(content) && content.every((part) => part instanceof Uint8Array)) return joined(content);
  return new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content));
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function f32Bytes(values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Float32Array.from(values).buffer);
}
