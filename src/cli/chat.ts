import { createInterface } from 'node:readline/promises';
import { asWebMlaError } from '../core/errors.ts';
import { LocalEngine } from '../runtime/engine.ts';
import type { ChatMessage } from '../runtime/types.ts';
import { engineOptions } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { convertedFiles } from './converted_files.ts';
import { openDawn } from './dawn.ts';
import { openFiles } from './node_files.ts';
import { terminalProgress } from './progress.ts';

const HELP = `/new       start a new chat
/system T  set the system prompt and start a new chat
/info      what is running
/exit      leave (or Ctrl-D)
Ctrl-C     stop the answer`;

/** webmla chat: a conversation in the terminal. Ctrl-C stops the answer and not the program. */
export async function chat(args: Arguments): Promise<void> {
  const options = engineOptions(args);
  const progress = terminalProgress();
  const files = await openFiles(args.required('model'), undefined, (p) =>
    progress.show({ stage: 'read', unit: 'bytes', ...p }),
  );
  const engine = await LocalEngine.create({
    ...options,
    ...(await convertedFiles(files, { ...options, onProgress: progress.show })),
    gpu: await openDawn(),
    onProgress: progress.show,
  });
  progress.clear();
  try {
    await converse(engine, args.text('system'));
  } finally {
    engine.dispose();
  }
}

async function converse(engine: LocalEngine, firstSystem: string | undefined): Promise<void> {
  const { info } = engine;
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  const say = (text: string): void => void process.stdout.write(text);
  let system = firstSystem;
  let messages: ChatMessage[] = [];
  let answering: AbortController | undefined;
  const restart = (): void => {
    messages = system === undefined ? [] : [{ role: 'system', content: system }];
  };
  restart();
  const interrupt = (): void => {
    if (answering) answering.abort();
    else say('\n(Ctrl-D or /exit to leave)\n> ');
  };
  // On a terminal readline takes Ctrl-C as a key; elsewhere, or sent by another program, it is a signal.
  terminal.on('SIGINT', interrupt);
  process.on('SIGINT', interrupt);
  say(
    `${info.model}, ${info.attention}, on ${info.adapter.description || info.adapter.vendor}. /help for help.\n`,
  );
  terminal.prompt();
  for await (const line of terminal) {
    const text = line.trim();
    if (text === '/exit') break;
    if (text === '/help') say(`${HELP}\n`);
    else if (text === '/info') say(`${JSON.stringify({ ...info, conversion: undefined }, null, 1)}\n`);
    else if (text === '/new') restart();
    else if (text.startsWith('/system')) {
      system = text.slice('/system'.length).trim() || undefined;
      restart();
    } else if (text !== '') {
      answering = new AbortController();
      messages.push({ role: 'user', content: line });
      messages.push({ role: 'assistant', content: await answer(engine, messages, answering.signal, say) });
      answering = undefined;
    }
    terminal.prompt();
  }
  process.off('SIGINT', interrupt);
  terminal.close();
  say('\n');
}

/** Streams one answer. @returns what was said, also when it was stopped */
async function answer(
  engine: LocalEngine,
  messages: readonly ChatMessage[],
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<string> {
  let content = '';
  try {
    const request = { messages, stream: true, stream_options: { include_usage: true } };
    for await (const { choices, usage, webmla } of engine.chat(request, signal)) {
      const text = choices[0].delta.content ?? '';
      content += text;
      say(text);
      if (!usage) continue;
      const dropped = webmla.dropped_messages;
      const speed = usage.timings.decode_tokens_per_second.toFixed(1);
      say(
        `\n[${usage.completion_tokens} tokens, ${speed} a second${dropped ? `; ${dropped} old messages left out` : ''}]\n`,
      );
    }
  } catch (error) {
    const failure = asWebMlaError(error);
    // A lost device ends the program: nothing that follows could work.
    if (failure.code === 'device_lost') throw failure;
    say(
      failure.code === 'aborted'
        ? '\n[stopped]\n'
        : `\n[${failure.code}: ${failure.message} ${failure.hint}]\n`,
    );
  }
  return content;
}
