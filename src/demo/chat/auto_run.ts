import type { Usage } from '../../index.ts';
import { failureOf } from '../failure.ts';
import { publish, publishFailure } from '../publish.ts';
import type { RunningAnswer } from './answers.ts';
import type { Chat } from './chat.ts';

const MESSAGE = 'Hello! How are you doing?';

/** Loads, sends one message greedily and leaves what came of it in globalThis.__result. */
export function autoRun(chat: Chat): void {
  const stop = chat.session.state.subscribe((state) => {
    if (state.kind === 'failed') {
      publishFailure(failureOf(state.error));
    }
    if (state.kind !== 'ready') return;
    queueMicrotask(() => stop());
    chat.send(MESSAGE);
    const running = chat.running.peek();
    if (running) awaitAnswer(chat, running);
  });
}

function awaitAnswer(chat: Chat, running: RunningAnswer): void {
  const stop = chat.answers.running.subscribe((all) => {
    if ([...all.values()].includes(running)) return;
    queueMicrotask(() => stop());
    publish(resultOf(chat, running.usage));
  });
}

function resultOf(chat: Chat, usage: Usage | null): unknown {
  const state = chat.session.state.peek();
  const answer = chat.shelf.current.peek()?.messages.at(-1);
  if (answer?.role !== 'assistant' || state.kind !== 'ready' || usage === null) {
    const failure = answer?.role === 'assistant' ? answer.failure : null;
    return {
      error: { code: failure?.code ?? 'internal', message: failure?.message ?? 'The answer did not end.' },
    };
  }
  const { info } = state;
  return {
    adapter: info.adapter,
    model: info.model,
    attention: info.attention,
    cacheDtype: info.cacheDtype,
    contextLength: info.contextLength,
    kvBytesPerToken: info.kvBytesPerToken,
    gqaKvBytesPerToken: info.gqaKvBytesPerToken,
    memory: info.memory,
    message: MESSAGE,
    text: answer.text,
    finishReason: answer.state === 'length' ? 'length' : 'stop',
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens,
    timings: { loadMs: info.loadMs, convertMs: info.convertMs, ...usage.timings },
    notes: info.notes,
  };
}
