import { batch, computed, effect, signal, untracked } from '@preact/signals';
import type { AttentionForm, ErrorCode } from '../../index.ts';
import { Answers } from './answers.ts';
import { beginConversation, cutBefore, runningAnswer, userMessage, withMessages } from './conversation.ts';
import type { Conversation } from './conversation.ts';
import { ConversationShelf } from './conversation_shelf.ts';
import { DEFAULT_LOAD_OPTIONS } from './load_options.ts';
import type { LoadOptions } from './load_options.ts';
import { EMBEDDED, keyOf, labelOf } from '../model_choice.ts';
import type { ModelChoice } from '../model_choice.ts';
import { ModelSession } from './model_session.ts';
import type { LoadRequest } from './model_session.ts';
import { Notices } from './notices.ts';
import {
  conversationInAddress,
  dropFromAddress,
  readPageAddress,
  writeConversation,
} from './page_address.ts';
import { preferences, rememberUsed } from './preferences.ts';
import type { SamplingSettings } from './sampling_settings.ts';

/** `?auto=1`: short, and the same each time. */
const AUTO_SETTINGS = { system: '', sampling: { temperature: 0, max_tokens: 64 } };

/** Errors that come again however often the same is loaded. */
const HOPELESS: readonly ErrorCode[] = [
  'missing_file',
  'unsupported',
  'bad_file',
  'bad_tensor',
  'bad_request',
];

export type Panel = 'models' | 'settings' | 'conversations';

/** The page's state and what a person can do; components show the one and call the other. */
export class Chat {
  readonly address = readPageAddress();
  readonly session = new ModelSession();
  readonly shelf = new ConversationShelf(!this.address.auto);
  readonly notices = new Notices();
  readonly answers = new Answers(this.session, this.shelf, (_, { text, state }) => {
    this.notices.announce(state === 'failed' ? 'The answer failed.' : text);
  });
  /** What is in the message box. */
  readonly draft = signal('');
  /** Id of the message that is being edited. */
  readonly editing = signal<string | null>(null);
  readonly panel = signal<Panel | null>(null);
  /** What the next load will do. */
  readonly loadOptions = signal<LoadOptions>(this.#firstOptions());
  readonly accessToken = signal('');
  /** A message sent now is answered, if need be once the model is there. */
  readonly canAnswer = computed(() => ['loading', 'ready'].includes(this.session.state.value.kind));
  /** The answer that is being written in the conversation at hand. */
  readonly running = computed(() => this.answers.running.value.get(this.shelf.currentId.value ?? '') ?? null);

  /** Loads what the address or the last visit named, and goes to the conversation that was left. */
  begin(): void {
    const { model, auto } = this.address;
    // Before this load says something of its own.
    const unfinished = preferences.loadUnfinished.value && !auto && !model;
    this.shelf.currentId.value = auto ? null : (conversationInAddress() ?? preferences.conversation.value);
    addEventListener('popstate', () => this.#goTo(conversationInAddress()));
    addEventListener('hashchange', () => this.#goTo(conversationInAddress()));
    effect(() => this.#followConversation());
    effect(() => this.#watchLoad());
    const kept = preferences.model.value;
    const choice = model ?? (auto || kept.kind === 'local' ? EMBEDDED : kept);
    const request = this.#request(choice, this.loadOptions.value);
    if (kept.kind === 'local' && !model && !auto) {
      this.notices.offer(
        `“${kept.name}” has to be chosen again: a page cannot open files by itself.`,
        'Choose',
        () => {
          this.panel.value = 'models';
        },
      );
    }
    if (unfinished && choice.kind !== 'embedded') {
      this.session.hold(request);
    } else {
      void this.session.load(request);
    }
  }

  /** The model that is loaded or was asked for last. */
  request(): LoadRequest {
    const state = this.session.state.value;
    return state.kind === 'none' ? this.#request(EMBEDDED, this.loadOptions.value) : state.request;
  }

  loadModel(choice: ModelChoice): void {
    this.load(this.#request(choice, this.loadOptions.value));
  }

  setAttention(attention: AttentionForm): void {
    const { choice, options } = this.request();
    this.load(this.#request(choice, { ...options, attention, kvBudget: null }));
  }

  /** By a person's hand: it is what the page opens with next time. */
  load(request: LoadRequest): void {
    this.answers.stopAll();
    batch(() => {
      this.panel.value = null;
      this.loadOptions.value = request.options;
      preferences.loadOptions.value = request.options;
      preferences.model.value = keyOf(request.choice);
    });
    dropFromAddress('model');
    dropFromAddress('attention');
    dropFromAddress('cacheDtype');
    void this.session.load(request);
  }

  /** Sends what is in the message box. */
  send(text: string): void {
    if (text.trim() === '' || this.running.value) return;
    const conversation = this.shelf.current.value ?? this.#begin(text);
    this.#answer(withMessages(conversation, [...conversation.messages, userMessage(text)]));
  }

  /** Another answer to the last message; also after one that failed, together with the model that was lost. */
  regenerate(): void {
    const conversation = this.shelf.current.value;
    const last = conversation?.messages.at(-1);
    if (!conversation || !last || this.running.value) return;
    if (!this.canAnswer.value) this.load(this.request());
    this.#answer(last.role === 'assistant' ? cutBefore(conversation, last.id) : conversation);
  }

  /** Sends a message again with another text; what followed it is gone. */
  edit(id: string, text: string): void {
    const conversation = this.shelf.current.value;
    if (!conversation || text.trim() === '') return;
    this.answers.stop(conversation.id);
    const before = cutBefore(conversation, id);
    this.editing.value = null;
    this.#answer(withMessages(before, [...before.messages, userMessage(text)]));
  }

  editLast(): void {
    const message = this.shelf.current.value?.messages.findLast(({ role }) => role === 'user');
    if (message && !this.running.value) this.editing.value = message.id;
  }

  stop(): void {
    const id = this.shelf.currentId.value;
    if (id !== null) this.answers.stop(id);
  }

  open(id: string | null): void {
    batch(() => {
      this.panel.value = null;
      this.#goTo(id);
    });
  }

  rename(id: string, title: string): void {
    if (title.trim() !== '') this.shelf.change(id, (one) => ({ ...one, title: title.trim() }));
  }

  remove(id: string): void {
    const conversation = this.shelf.find(id);
    if (!conversation) return;
    const wasCurrent = this.shelf.currentId.value === id;
    this.answers.stop(id);
    // As it is after stopping.
    const last = this.shelf.find(id) ?? conversation;
    this.shelf.remove(id);
    this.notices.offer(`Deleted “${last.title}”.`, 'Undo', () => {
      this.shelf.put(last);
      if (wasCurrent) this.open(id);
    });
  }

  /** Settings of the conversation at hand; new ones begin with the same. */
  configure(change: { readonly system?: string; readonly sampling?: SamplingSettings }): void {
    const { system, sampling } = change;
    if (system !== undefined) preferences.system.value = system;
    if (sampling !== undefined) preferences.sampling.value = sampling;
    const id = this.shelf.currentId.value;
    if (id !== null) this.shelf.change(id, (one) => ({ ...one, ...change }));
  }

  settings(): Pick<Conversation, 'system' | 'sampling'> {
    if (this.address.auto) return AUTO_SETTINGS;
    const { system, sampling } = preferences;
    return this.shelf.current.value ?? { system: system.value, sampling: sampling.value };
  }

  #firstOptions(): LoadOptions {
    const { attention, cacheDtype, auto } = this.address;
    const options = auto ? DEFAULT_LOAD_OPTIONS : preferences.loadOptions.value;
    return {
      ...options,
      ...(attention !== null && { attention, kvBudget: null }),
      cacheDtype: cacheDtype ?? options.cacheDtype,
    };
  }

  #request(choice: ModelChoice, options: LoadOptions): LoadRequest {
    return { choice, options, accessToken: this.accessToken.value };
  }

  #begin(text: string): Conversation {
    const { choice, options } = this.request();
    const { system, sampling } = this.settings();
    const start = { system, sampling, model: keyOf(choice), attention: options.attention };
    return beginConversation(start, text);
  }

  #answer(conversation: Conversation): void {
    const { choice, options } = this.request();
    const model = keyOf(choice);
    const answer = runningAnswer(labelOf(model), options.attention);
    const asked = {
      ...withMessages(conversation, [...conversation.messages, answer]),
      model,
      attention: options.attention,
    };
    batch(() => {
      this.shelf.put(asked);
      this.shelf.currentId.value = asked.id;
      void this.answers.write(asked, answer, asked.sampling);
    });
    this.notices.announce('Answering.');
  }

  #goTo(id: string | null): void {
    this.editing.value = null;
    this.shelf.currentId.value = id;
  }

  /** The address and the next visit go where the person goes. */
  #followConversation(): void {
    const id = this.shelf.currentId.value;
    if (this.address.auto || !this.shelf.isRead.value) return;
    const exists = this.shelf.find(id) !== null;
    if (id !== null && !exists) {
      this.shelf.currentId.value = null;
      return;
    }
    preferences.conversation.value = id;
    writeConversation(id, conversationInAddress() === null);
  }

  #watchLoad(): void {
    const state = this.session.state.value;
    if (this.address.auto) return;
    preferences.loadUnfinished.value = state.kind === 'loading';
    if (state.kind === 'loading') this.notices.announce(`Loading ${labelOf(keyOf(state.request.choice))}.`);
    if (state.kind === 'ready') {
      this.notices.announce('The model is ready.');
      untracked(() => rememberUsed(keyOf(state.request.choice)));
    }
    // What cannot be loaded at all is not what the page should open with next time.
    if (state.kind === 'failed' && HOPELESS.includes(state.error.code)) preferences.model.value = EMBEDDED;
  }
}
