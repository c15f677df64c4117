import { readFile, writeFile } from 'node:fs/promises';
import { WebMlaError } from '../core/errors.ts';
import { writeSafetensors } from '../formats/safetensors_writer.ts';
import type { TensorToWrite } from '../formats/safetensors_writer.ts';
import { LocalEngine } from '../runtime/engine.ts';
import { checkMessages } from '../runtime/conversation.ts';
import type { LogitsSink } from '../runtime/session.ts';
import type { AdapterInfo, CompletionRequest, EngineInfo, FinishReason, Usage } from '../runtime/types.ts';
import { engineOptions } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { convertedFiles } from './converted_files.ts';
import { openDawn } from './dawn.ts';
import { openFiles } from './node_files.ts';
import { terminalProgress } from './progress.ts';
import { UsageError } from './usage.ts';

export interface Generated {
  readonly text: string | null;
  readonly tokenIds: readonly number[];
  readonly promptTokenIds: readonly number[];
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly finishReason: FinishReason;
  readonly attention: EngineInfo['attention'];
  readonly kvBytesPerToken: number;
  readonly adapter: AdapterInfo;
  readonly timings: {
    readonly loadMs: number;
    readonly convertMs: number;
    readonly prefillMs: number;
    readonly decodeMs: number;
    readonly prefillTokensPerSecond: number;
    readonly decodeTokensPerSecond: number;
  };
}

const DEFAULT_MAX_TOKENS = 128;

/** webmla generate: one answer. Without --json the text is streamed to standard output. */
export async function generate(args: Arguments, onText: (text: string) => void): Promise<Generated> {
  const options = engineOptions(args);
  const request = requestOf(args);
  const source = promptSource(args);
  const logitsFile = args.text('logits');
  const progress = terminalProgress();
  const files = await openFiles(args.required('model'), undefined, (p) =>
    progress.show({ stage: 'read', unit: 'bytes', ...p }),
  );
  const engine = await LocalEngine.create({
    ...options,
    ...(await convertedFiles(files, { ...options, onProgress: progress.show })),
    gpu: await openDawn(),
    promptLogits: logitsFile !== undefined,
    onProgress: progress.show,
  });
  progress.clear();
  try {
    const prompt = await promptIds(source, engine);
    const logits = logitsFile === undefined ? undefined : new LogitsFile();
    const tokenIds: number[] = [];
    let text = '';
    let end: { finishReason: FinishReason; usage: Usage } | undefined;
    for await (const chunk of engine.complete({ ...request, prompt }, undefined, logits)) {
      const [choice] = chunk.choices;
      tokenIds.push(...(chunk.webmla.token_ids ?? []));
      text += choice.text;
      onText(choice.text);
      if (choice.finish_reason !== null && chunk.usage)
        end = { finishReason: choice.finish_reason, usage: chunk.usage };
    }
    if (!end) throw new WebMlaError('internal', 'generate: expected a last chunk, got none');
    if (logits && logitsFile !== undefined) await logits.write(logitsFile);
    const { info } = engine;
    const { timings } = end.usage;
    return {
      text: engine.tokenizer ? text : null,
      tokenIds,
      promptTokenIds: prompt,
      promptTokens: prompt.length,
      completionTokens: tokenIds.length,
      finishReason: end.finishReason,
      attention: info.attention,
      kvBytesPerToken: info.kvBytesPerToken,
      adapter: info.adapter,
      timings: {
        loadMs: info.loadMs,
        convertMs: info.convertMs,
        prefillMs: timings.prefill_ms,
        decodeMs: timings.decode_ms,
        prefillTokensPerSecond: timings.prefill_tokens_per_second,
        decodeTokensPerSecond: timings.decode_tokens_per_second,
      },
    };
  } finally {
    engine.dispose();
  }
}

/** Greedy and without penalties unless the flags say otherwise: what is printed depends on nothing but the command line. */
function requestOf(args: Arguments): Omit<CompletionRequest, 'prompt'> {
  const seed = args.number('seed');
  return {
    stream: true,
    stream_options: { include_usage: true },
    temperature: args.number('temperature') ?? 0,
    top_p: args.number('top-p') ?? 1,
    top_k: args.number('top-k') ?? 0,
    min_p: 0,
    repetition_penalty: 1,
    max_tokens: args.number('max-tokens') ?? DEFAULT_MAX_TOKENS,
    stop: args.list('stop'),
    ignore_eos: args.flag('ignore-eos'),
    ...(seed !== undefined && { seed }),
  };
}

type PromptSource =
  | { readonly kind: 'prompt' | 'messages'; readonly value: string }
  | { readonly kind: 'prompt-ids'; readonly ids: readonly number[] };

function promptSource(args: Arguments): PromptSource {
  const given = (['prompt', 'prompt-ids', 'messages'] as const).filter(
    (name) => args.text(name) !== undefined,
  );
  const [kind] = given;
  if (given.length !== 1 || kind === undefined) {
    throw new UsageError('generate needs one of --prompt, --prompt-ids and --messages');
  }
  const value = args.required(kind);
  if (kind !== 'prompt-ids') return { kind, value };
  return { kind, ids: args.numbers(kind) ?? [] };
}

async function promptIds(source: PromptSource, engine: LocalEngine): Promise<readonly number[]> {
  if (source.kind === 'prompt-ids') return source.ids;
  if (source.kind === 'prompt') return engine.promptIds(source.value);
  let messages: unknown;
  try {
    messages = JSON.parse(await readFile(source.value, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WebMlaError(
      'bad_file',
      `--messages ${source.value}: expected a JSON list of messages, got: ${why}`,
    );
  }
  checkMessages(messages);
  return engine.messageIds(messages);
}

/** Collects rows of logits for a safetensors file. */
class LogitsFile implements LogitsSink {
  readonly #prompt: Float32Array[] = [];
  readonly #steps: Float32Array[] = [];
  #vocabSize = 0;

  prompt(rows: Float32Array): void {
    this.#prompt.push(rows);
  }

  step(row: Float32Array): void {
    this.#vocabSize = row.length;
    this.#steps.push(row);
  }

  async write(path: string): Promise<void> {
    const tensor = (name: string, rows: readonly Float32Array[]): TensorToWrite => {
      const values = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
      let at = 0;
      for (const row of rows) {
        values.set(row, at);
        at += row.length;
      }
      return {
        name,
        dtype: 'F32',
        shape: [values.length / Math.max(1, this.#vocabSize), this.#vocabSize],
        data: new Uint8Array(values.buffer),
      };
    };
    const parts = writeSafetensors([
      tensor('prompt_logits', this.#prompt),
      tensor('step_logits', this.#steps),
    ]);
    try {
      await writeFile(path, Buffer.concat(parts));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new WebMlaError('storage', `--logits ${path}: expected to write, got: ${why}`);
    }
  }
}
