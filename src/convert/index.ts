/** webmla/convert: the parts of the converter, for scripts and researchers. No GPU, no DOM. */
export { convertExact } from './exact.ts';
export type { LayerReport } from './report.ts';
export { quantize } from '../core/quantize.ts';
export { unpack } from '../core/packed.ts';
export type { PackedTensor, WeightFormat } from '../core/packed.ts';
export type { DecoderLayer, GqaAttention, Linear, MlaAttention } from '../core/layers.ts';
export { memorySource, blobSource } from '../formats/byte_source.ts';
export type { ByteSource } from '../formats/byte_source.ts';
export { readSafetensors } from '../formats/safetensors.ts';
export { writeSafetensors } from '../formats/safetensors_writer.ts';
export type { TensorToWrite } from '../formats/safetensors_writer.ts';
export { readPacked, readFloats } from '../formats/tensor_data.ts';
export { packedCheckpointTensors } from '../formats/packed_checkpoint.ts';
