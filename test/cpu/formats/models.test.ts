import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect } from 'vitest';
import { unpack } from '../../../src/core/packed.ts';
import { parameterCount } from '../../../src/formats/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint.ts';
import { parseConfig } from '../../../src/formats/hf_config.ts';
import { openModelFiles } from '../../../src/formats/open_model_files.ts';
import { readFloats, readPacked } from '../../../src/formats/tensor_data.ts';
import { fileAt, filesIn, modelTest } from '../../models.ts';
import { startHub } from '../../servers/hub_server.ts';

const openFolder = async (dir: string, name: string): Promise<Checkpoint> =>
  openCheckpoint(await openModelFiles(await filesIn(path.join(dir, name))));
const openFile = async (dir: string, name: string): Promise<Checkpoint> =>
  openCheckpoint(await openModelFiles(await fileAt(path.join(dir, name))));

const SMOLLM2 = 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf';

describe('real checkpoints open', () => {
  for (const [name, kind, parameters, tensors] of [
    ['stories260K', 'safetensors', 260_032, 47],
    ['TinyStories-656K', 'safetensors', 656_000, 20],
    ['stories-tok105', 'safetensors', 936_448, 47],
    ['SmolLM2-135M-Instruct', 'gguf', 134_515_008, 272],
    ['tiny-chat', 'safetensors', 22_619_520, 110],
    ['tiny-random/llama', 'safetensors', 102_720, 21],
    ['tiny-random/qwen2', 'safetensors', 102_912, 27],
  ] as const) {
    modelTest(name, async (dir) => {
      const checkpoint = await openFolder(dir, name);
      expect([checkpoint.kind, parameterCount(checkpoint), checkpoint.tensors.size]).toEqual([
        kind,
        parameters,
        tensors,
      ]);
      const { config } = checkpoint;
      expect(checkpoint.tensors.get('model.embed_tokens.weight')?.shape).toEqual([
        config.vocab_size,
        config.hidden_size,
      ]);
      expect(checkpoint.tensors.has('lm_head.weight')).toBe(!config.tie_word_embeddings);
      const last = `model.layers.${config.num_hidden_layers - 1}.self_attn.q_proj.weight`;
      const rows = config.num_attention_heads * config.head_dim;
      expect(checkpoint.tensors.get(last)?.shape).toEqual([rows, config.hidden_size]);
      for (const entry of checkpoint.tensors.values()) {
        const [first = 0, second] = entry.shape;
        if (second === undefined) await readFloats(entry, [first]);
        else await readPacked(entry, [first, second], 'as-is');
      }
    });
  }

  for (const name of [
    ...['mixtral', 'qwen2_moe', 'qwen3', 'qwen3_moe', 'deepseek_v2_lite', 'deepseek_v3'].map(
      (x) => `tiny-random/${x}`,
    ),
    ...['llava', 'llava_next', 'qwen2_5_vl'].map((x) => `tiny-random-vlm/${x}`),
  ]) {
    modelTest(`${name}, to be inspected`, async (dir) => {
      const { config, fileTensors, rawConfig } = await openFolder(dir, name);
      expect(config).toMatchObject({
        model_type: rawConfig['model_type'],
        hidden_size: 64,
        num_hidden_layers: 2,
      });
      expect(fileTensors.length).toBeGreaterThan(20);
    });
  }
});

describe('the GGUF is the safetensors', () => {
  for (const name of ['stories260K', 'TinyStories-656K']) {
    modelTest(`${name}: every value of the F32 file, names and configuration`, async (dir) => {
      const [gguf, hf] = [await openFile(dir, `gguf/${name}.F32.gguf`), await openFolder(dir, name)];
      expect(gguf.config).toEqual(hf.config);
      expect([...gguf.tensors.keys()].toSorted()).toEqual([...hf.tensors.keys()].toSorted());
      for (const [tensor, entry] of hf.tensors) {
        expect(await readFloats(gguf.tensors.get(tensor)!, entry.shape), tensor).toEqual(
          await readFloats(entry, entry.shape),
        );
      }
    });

    modelTest(`${name}: near the values in the Q8_0 and Q4_1 files`, async (dir) => {
      const hf = await openFolder(dir, name);
      for (const [type, tolerance] of [
        ['Q8_0', 0.005],
        ['Q4_1', 0.08],
      ] as const) {
        const gguf = await openFile(dir, `gguf/${name}.${type}.gguf`);
        for (const [tensor, entry] of hf.tensors) {
          const exact = await readFloats(entry, entry.shape);
          const largest = exact.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          const rounded = await readFloats(gguf.tensors.get(tensor)!, entry.shape);
          const worst = exact.reduce((a, value, i) => Math.max(a, Math.abs(value - rounded[i]!)), 0);
          expect(worst).toBeLessThan(tolerance * largest);
        }
      }
    });
  }
});

describe('SmolLM2-135M-Instruct', () => {
  modelTest('the configuration in the GGUF is the one beside it', async (dir) => {
    const beside: unknown = JSON.parse(
      await readFile(path.join(dir, 'SmolLM2-135M-Instruct/config.json'), 'utf8'),
    );
    const { config } = await openFile(dir, SMOLLM2);
    expect(config).toEqual(parseConfig(Object(beside), 'config.json'));
  });

  modelTest('all 272 tensors have the values that the gguf package gives, rows in HF order', async (dir) => {
    const { tensors } = await openFile(dir, SMOLLM2);
    const lines: string[] = [];
    for (const entry of tensors.values()) {
      const [rows = 0, cols] = entry.shape;
      const values =
        cols === undefined
          ? await readFloats(entry, [rows])
          : unpack(await readPacked(entry, [rows, cols], 'as-is'));
      lines.push(
        `${entry.name} ${createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')}\n`,
      );
    }
    expect(lines.length).toBe(272);
    // Of the same lines, made in Python: gguf.quants.dequantize (0.19.0) and the inverse of LlamaModel.permute.
    expect(createHash('sha256').update(lines.toSorted().join('')).digest('hex')).toBe(
      '886b33fe14639cea73f54acd540f4a57b14763de154d191c74b1bbe65875c45c',
    );
  });

  modelTest('by its address, with ranges', async (dir) => {
    const hub = await startHub({ 'me/smol': { 'smol.gguf': await readFile(path.join(dir, SMOLLM2)) } });
    try {
      const checkpoint = await openCheckpoint(await openModelFiles(`${hub.url}/files/me/smol/smol.gguf`));
      const headerBytes = hub.sent.bytes;
      // Of 98 MB; a window more than the header has.
      expect(headerBytes).toBeLessThan(4 * 2 ** 20);
      const name = 'model.layers.29.self_attn.k_proj.weight';
      const fromFile = (await openFile(dir, SMOLLM2)).tensors.get(name)!;
      const remote = await readPacked(checkpoint.tensors.get(name)!, [192, 576], 'as-is');
      expect(remote).toEqual(await readPacked(fromFile, [192, 576], 'as-is'));
      expect(hub.sent.bytes - headerBytes).toBe(fromFile.byteLength);
    } finally {
      await hub.close();
    }
  });
});
