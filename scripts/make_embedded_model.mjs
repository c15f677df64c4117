// Makes the model that the chat page carries (public/models/tiny-chat) from a checkpoint in Hugging Face layout:
//
//   node scripts/make_embedded_model.mjs ../shared/models/tiny-chat [q4_0|q4_1] [OUT]
//
// Needs a built package (npm run build). Matrices become 4-bit in groups of 32, the embedding (which is also the output matrix)
// 8-bit, norms stay f32. Prints the size and the rounding error of each kind of tensor.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as convert from '../lib/convert.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [source, format = 'q4_1', out = join(root, 'public/models/tiny-chat')] = process.argv.slice(2);
if (!source) throw new Error('usage: make_embedded_model.mjs SOURCE [FORMAT] [OUT]');

const EMBEDDING = 'model.embed_tokens.weight';
const file = await convert.readSafetensors(
  convert.memorySource(new Uint8Array(readFileSync(join(source, 'model.safetensors'))), 'model.safetensors'),
);
const packed = new Map();
const plain = [];
const errors = new Map();
for (const entry of file.tensors) {
  if (entry.shape.length !== 2) {
    const values = await convert.readFloats(entry, entry.shape);
    plain.push({ name: entry.name, dtype: 'F32', shape: entry.shape, data: new Uint8Array(values.buffer) });
    continue;
  }
  const exact = await convert.readPacked(entry, entry.shape, 'f32');
  const tensor = await convert.readPacked(entry, entry.shape, entry.name === EMBEDDING ? 'q8_0' : format);
  packed.set(entry.name, tensor);
  const [a, b] = [convert.unpack(exact), convert.unpack(tensor)];
  let [error, energy] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    error += (a[i] - b[i]) ** 2;
    energy += a[i] ** 2;
  }
  const kind = `${entry.name.replace(/\.\d+\./, '.N.')} ${tensor.format}`;
  const sum = errors.get(kind) ?? { error: 0, energy: 0 };
  errors.set(kind, { error: sum.error + error, energy: sum.energy + energy });
}
const { tensors, metadata } = convert.packedCheckpointTensors(packed);
const parts = convert.writeSafetensors([...tensors, ...plain], metadata);
mkdirSync(out, { recursive: true });
const bytes = Buffer.concat(parts);
writeFileSync(join(out, 'model.safetensors'), bytes);
for (const name of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']) {
  copyFileSync(join(source, name), join(out, name));
}
for (const [kind, { error, energy }] of errors) {
  console.log(`${kind.padEnd(58)} relative rounding error ${Math.sqrt(error / energy).toFixed(4)}`);
}
console.log(`${join(out, 'model.safetensors')}: ${bytes.length} bytes`);
