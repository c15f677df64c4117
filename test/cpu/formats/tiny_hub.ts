import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { openModelFiles } from '../../../src/formats/open_model_files.ts';
import type { ModelAddress, ModelFilesOptions } from '../../../src/formats/open_model_files.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';
import { readFloats } from '../../../src/formats/tensor_data.ts';
import { startHub } from '../../servers/hub_server.ts';
import type { HubServer } from '../../servers/hub_server.ts';
import { writeGguf } from './gguf_writer.ts';
import { bytesOf } from './memory_files.ts';
import { ggufFields, ggufTensor, tinyConfig, tinyTensors, tinyTokenizer } from './tiny_model.ts';

/** The tiny model as files, in repositories of a Hub on this machine. */

export const gguf = writeGguf(
  ggufFields(),
  tinyTensors.map((tensor) => ggufTensor(tensor)),
);
export const folder: Record<string, Uint8Array<ArrayBuffer>> = {
  'config.json': bytesOf(tinyConfig),
  'tokenizer.json': bytesOf(tinyTokenizer),
  'model.safetensors': bytesOf(writeSafetensors(tinyTensors)),
};
const repositories = {
  'me/tiny': folder,
  'me/tiny-GGUF': { 'tiny.Q8_0.gguf': gguf, 'tiny.F32.gguf': gguf, 'README.md': bytesOf('hello') },
  'me/one-GGUF': { 'tiny.gguf': gguf, 'mmproj-tiny.gguf': gguf },
  'me/deep': {
    'f32/config.json': folder['config.json']!,
    'f32/model.safetensors': folder['model.safetensors']!,
  },
};

/** Starts a Hub for the tests of a file, and mends it before each. */
export function tinyHub(): () => HubServer {
  let hub: HubServer | undefined;
  beforeAll(async () => {
    hub = await startHub(repositories);
  });
  afterAll(() => hub?.close());
  const running = (): HubServer => {
    if (!hub) throw new Error('the Hub is not running yet');
    return hub;
  };
  beforeEach(() => {
    const { requests, sent, repositories: served } = running();
    running().faults = {};
    requests.length = 0;
    sent.bytes = 0;
    for (const [name, files] of Object.entries(repositories)) served[name] = { ...files };
  });
  return running;
}

/** Short waits. */
export function quick(hub: HubServer, more: ModelFilesOptions = {}): ModelFilesOptions {
  return { hub: { url: hub.url }, retryDelayMs: 2, idleMs: 500, ...more };
}

/** Opens the model and reads one of its tensors. @returns name, kind and whether there is a tokenizer */
export async function expectTiny(address: ModelAddress, options: ModelFilesOptions = {}): Promise<string> {
  const checkpoint = await openCheckpoint(await openModelFiles(address, options));
  expect(checkpoint.tensors.size).toBe(tinyTensors.length);
  const { name, shape, data } = tinyTensors[1]!;
  expect(await readFloats(checkpoint.tensors.get(name)!, shape)).toEqual(new Float32Array(data.buffer));
  return `${checkpoint.name} ${checkpoint.kind} ${checkpoint.tokenizerFiles === null ? '-' : 'tokenizer'}`;
}
