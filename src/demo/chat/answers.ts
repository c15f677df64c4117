import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { Engine, Usage } from '../../index.ts';
import { AnswerMeter } from './answer_meter.ts';
import { withMessage } from './conversation.ts';
import type { AssistantMessage, Conversation } from './conversation.ts';
import type { ConversationShelf } from './conversation_shelf.ts';
import { failureOf } from '../failure.ts';
import { asError } from './model_session.ts';
import type { ModelSession } from './model_session.ts';
import { promptOf } from './prompt.ts';
import type { SamplingSettings } from './sampling_settings.ts';

/** `model`: until it is loaded; `turn`: until another conversation's answer is through; `prompt`: the model reads. */
export type AnswerPhase = 'model' | 'turn' | 'prompt' | 'writing';

/** An answer that is being written. */
export interface RunningAnswer {
  readonly messageId: string;
  readonly phase: Signal<AnswerPhase>;
  /** Changes once a frame at most. */
  readonly text: Signal<string>;
  readonly meter: AnswerMeter;
  readonly controller: AbortController;
  /** Messages that no longer fit. */
  dropped: number;
  /** The engine's own account, once the answer has come to its end. */
  usage: Usage | null;
}

/** A running answer is put into its conversation so often, in ms, for the case that the tab goes away. */
const KEEP_MS = 1500;

/** Asks the model and writes what it says into the conversations. */
export class Answers {
  /** By conversation. */
  readonly running = signal<ReadonlyMap<string, RunningAnswer>>(new Map());
  /** The one that ended last: its curve can still be looked at. */
  readonly ended = signal<RunningAnswer | null>(null);
  readonly #session: ModelSession;
  readonly #shelf: ConversationShelf;
  readonly #onEnd: (conversation: Conversation, answer: AssistantMessage) => void;

  constructor(
    session: ModelSession,
    shelf: ConversationShelf,
    onEnd: (conversation: Conversation, answer: AssistantMessage) => void,
  ) {
    this.#session = session;
    this.#shelf = shelf;
    this.#onEnd = onEnd;
  }

  /** Writes `answer`, the last message of the conversation. Errors end up in the message. */
  async write(
    conversation: Conversation,
    answer: AssistantMessage,
    sampling: SamplingSettings,
  ): Promise<void> {
    const { id } = conversation;
    const running: RunningAnswer = {
      messageId: answer.id,
      phase: signal<AnswerPhase>('model'),
      text: signal(''),
      meter: new AnswerMeter(),
      controller: new AbortController(),
      dropped: 0,
      usage: null,
    };
    this.running.value = new Map(this.running.peek()).set(id, running);
    const { signal: stopped } = running.controller;
    const written = new WrittenText(running.text);
    const keep = setInterval(() => this.#put(id, running, { text: written.whole }), KEEP_MS);
    const end = (last: Pick<AssistantMessage, 'state' | 'failure'>): void => {
      clearInterval(keep);
      written.finish();
      this.#end(id, running, { ...last, text: written.whole });
    };
    // Stopping shows at once, whatever the engine is at.
    stopped.addEventListener('abort', () => end({ state: 'stopped', failure: null }), { once: true });
    try {
      const engine = await this.#session.engine(stopped);
      const state = await stream(engine, promptOf(conversation, conversation.messages.length - 1), {
        running,
        sampling,
        written,
      });
      if (!stopped.aborted) end({ state, failure: null });
    } catch (error) {
      if (!stopped.aborted) end({ state: 'failed', failure: failureOf(asError(error)) });
    }
  }

  stop(conversationId: string): void {
    this.running.peek().get(conversationId)?.controller.abort();
  }

  stopAll(): void {
    for (const id of this.running.peek().keys()) this.stop(id);
  }

  #put(id: string, running: RunningAnswer, change: Partial<AssistantMessage>): void {
    this.#shelf.change(id, (conversation) => {
      const answer = conversation.messages.find((message) => message.id === running.messageId);
      if (answer?.role !== 'assistant') return conversation;
      return withMessage(conversation, { ...answer, ...change, dropped: running.dropped });
    });
  }

  #end(id: string, running: RunningAnswer, last: Pick<AssistantMessage, 'state' | 'failure' | 'text'>): void {
    const figures = running.meter.finish(running.usage);
    this.#put(id, running, { ...last, figures: figures.tokens > 0 ? figures : null });
    const others = new Map(this.running.peek());
    others.delete(id);
    this.running.value = others;
    this.ended.value = running;
    const conversation = this.#shelf.find(id);
    const answer = conversation?.messages.find((message) => message.id === running.messageId);
    if (conversation && answer?.role === 'assistant') this.#onEnd(conversation, answer);
  }
}

interface Writing {
  readonly running: RunningAnswer;
  readonly sampling: SamplingSettings;
  readonly written: WrittenText;
}

async function stream(
  engine: Engine,
  { messages }: ReturnType<typeof promptOf>,
  { running, sampling, written }: Writing,
): Promise<'done' | 'length'> {
  const { phase, meter, controller } = running;
  phase.value = 'turn';
  meter.start();
  const chunks = await engine.chat.completions.create({
    ...sampling,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    signal: controller.signal,
  });
  phase.value = 'prompt';
  for await (const chunk of chunks) {
    if (controller.signal.aborted) break;
    const [{ delta, finish_reason }] = chunk.choices;
    running.dropped = chunk.webmla.dropped_messages ?? 0;
    meter.take(chunk);
    if (chunk.webmla.token_ids?.length) phase.value = 'writing';
    written.add(delta.content ?? '');
    running.usage = chunk.usage ?? null;
    if (finish_reason) return finish_reason === 'stop' ? 'done' : 'length';
  }
  return 'done';
}

/** Text that grows by the token and is shown by the frame. */
class WrittenText {
  whole = '';
  readonly #shown: Signal<string>;
  #frame = 0;

  constructor(shown: Signal<string>) {
    this.#shown = shown;
  }

  add(text: string): void {
    if (text === '') return;
    this.whole += text;
    // In a hidden tab no frame comes; the text is shown when the person comes back.
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#shown.value = this.whole;
    });
  }

  finish(): void {
    cancelAnimationFrame(this.#frame);
    this.#shown.value = this.whole;
  }
}
