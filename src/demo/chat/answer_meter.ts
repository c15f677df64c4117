import { signal } from '@preact/signals';
import type { ChatCompletionChunk, Usage } from '../../index.ts';
import { fieldsOf, numberOr } from '../plain_data.ts';

/** What is worth knowing of one answer. */
export interface AnswerFigures {
  readonly tokens: number;
  /** 0 before the second token. */
  readonly tokensPerSecond: number;
  /** 0 before the first token. */
  readonly timeToFirstTokenMs: number;
  /** Tokens in the cache. */
  readonly contextTokens: number;
}

const NOTHING: AnswerFigures = { tokens: 0, tokensPerSecond: 0, timeToFirstTokenMs: 0, contextTokens: 0 };

/** Figures change with every token; people read them four times a second at most. */
const REFRESH_MS = 250;
/** Points of the curve. */
const PACE_LENGTH = 40;
/** Tokens that a point of the curve is the mean of: single tokens come in clumps. */
const PACE_WINDOW = 8;

/** Measures an answer while it comes. */
export class AnswerMeter {
  readonly figures = signal<AnswerFigures>(NOTHING);
  /** Tokens a second over the last few tokens, four points a second. */
  readonly pace = signal<readonly number[]>([]);
  #started = performance.now();
  #now: AnswerFigures = NOTHING;
  #firstAt = 0;
  #shownAt = 0;
  #times: readonly number[] = [];

  /** The wait for the first token is counted from here. */
  start(): void {
    this.#started = performance.now();
  }

  take({ webmla }: ChatCompletionChunk): void {
    const now = performance.now();
    const fresh = webmla.token_ids?.length ?? 0;
    const tokens = this.#now.tokens + fresh;
    if (fresh > 0) {
      this.#firstAt ||= now;
      this.#times = [...this.#times, ...Array.from({ length: fresh }, () => now)].slice(-PACE_WINDOW);
    }
    this.#now = {
      tokens,
      tokensPerSecond: tokens > 1 ? ((tokens - 1) * 1000) / Math.max(1, now - this.#firstAt) : 0,
      timeToFirstTokenMs: this.#firstAt === 0 ? 0 : this.#firstAt - this.#started,
      contextTokens: webmla.context_tokens,
    };
    if (tokens > 1 && now - this.#shownAt < REFRESH_MS) return;
    this.#shownAt = now;
    this.figures.value = this.#now;
    if (this.#times.length === PACE_WINDOW) this.#addPace(now);
  }

  /** @param usage the engine's own count, where the answer came to its end */
  finish(usage: Usage | null): AnswerFigures {
    if (usage) {
      const { timings, completion_tokens } = usage;
      this.#now = {
        ...this.#now,
        tokens: completion_tokens,
        tokensPerSecond: timings.decode_tokens_per_second,
        timeToFirstTokenMs: timings.time_to_first_token_ms,
      };
    }
    this.figures.value = this.#now;
    return this.#now;
  }

  #addPace(now: number): void {
    const span = now - (this.#times[0] ?? now);
    if (span <= 0) return;
    const point = ((PACE_WINDOW - 1) * 1000) / span;
    this.pace.value = [...this.pace.value, point].slice(-PACE_LENGTH);
  }
}

/** @returns null when nothing was measured */
export function parseFigures(stored: unknown): AnswerFigures | null {
  const fields = fieldsOf(stored);
  const tokens = numberOr(fields['tokens'], 0);
  if (tokens === 0) return null;
  return {
    tokens,
    tokensPerSecond: numberOr(fields['tokensPerSecond'], 0),
    timeToFirstTokenMs: numberOr(fields['timeToFirstTokenMs'], 0),
    contextTokens: numberOr(fields['contextTokens'], 0),
  };
}
