import { openCheckpoint } from '../formats/open_checkpoint.ts';
import { inspectCheckpoint } from '../runtime/inspection.ts';
import type { Inspection } from '../runtime/inspection.ts';
import type { Arguments } from './arguments.ts';
import { openFiles } from './node_files.ts';

/** webmla inspect: what a checkpoint is, from its headers. */
export async function inspect(args: Arguments): Promise<Inspection> {
  return inspectCheckpoint(await openCheckpoint(await openFiles(args.required('model'))));
}

export function printInspection(inspection: Inspection): string {
  const { tensors, kvBytesPerToken, tokenizer, ...rest } = inspection;
  const widest = Math.max(0, ...tensors.map(({ name }) => name.length));
  return [
    `architecture      ${rest.architecture} (${rest.modelType})`,
    `parameters        ${rest.parameters.toLocaleString('en')}`,
    `context           ${rest.contextLength} tokens`,
    `cache             ${kvBytesPerToken.gqa} bytes a token (f16)`,
    `tokenizer         ${tokenizer ? `${tokenizer.type}, ${tokenizer.vocabSize} tokens` : 'none'}`,
    `convertible       ${rest.convertible === true ? 'yes' : `no: ${rest.convertible}`}`,
    ...tensors.map(
      ({ name, dtype, shape }) => `  ${name.padEnd(widest)}  ${dtype.padEnd(5)} [${shape.join(', ')}]`,
    ),
  ].join('\n');
}
