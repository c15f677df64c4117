import type { Tokenizer } from '../text/tokenizer.ts';
import type { StopMatcher } from '../text/stop_strings.ts';
import { TextStream } from '../text/text_stream.ts';
import type { SamplingPlan } from './sampling.ts';
import type { LogitsSink, PrefillResult, Session } from './session.ts';
import type { FinishReason } from './types.ts';

export interface TurnInput {
  readonly prompt: readonly number[];
  /** Ids that the text goes on from, '' of them shown: the prompt of a completion; [] for a chat's answer. */
  readonly after: readonly number[];
  readonly plan: SamplingPlan;
  readonly matcher: StopMatcher;
  readonly eosIds: ReadonlySet<number>;
  /** Positions of the cache. */
  readonly room: number;
  readonly signal: AbortSignal | undefined;
  readonly onLogits?: LogitsSink | undefined;
  /**
   * Called when the context is full and the answer is not through: ids to go on from, which end in all generated ids, or null
   * when nothing can go.
   */
  shorten(generated: readonly number[]): readonly number[] | null;
}

export interface TurnPiece {
  /** Text that is certain; '' while a character or a stop string may still be under way. */
  readonly text: string;
  readonly ids: readonly number[];
}

export interface TurnEnd {
  readonly finishReason: FinishReason;
  readonly prefill: PrefillResult;
  /** From the first id to the last. */
  readonly decodeMs: number;
  readonly completionTokens: number;
}

/** One answer: ids from the session, text out of them, until an end token, a stop string, max_tokens or a full context. */
export async function* runTurn(
  session: Session,
  tokenizer: Tokenizer | null,
  input: TurnInput,
): AsyncGenerator<TurnPiece, TurnEnd> {
  const { plan, matcher, eosIds, room, signal, onLogits } = input;
  const stream = tokenizer && new TextStream(tokenizer, { after: input.after });
  const generated: number[] = [];
  const limit = plan.maxTokens ?? Infinity;
  let prompt = input.prompt;
  let prefill: PrefillResult | undefined;
  let firstAt = 0;
  const end = (finishReason: FinishReason): TurnEnd => ({
    finishReason,
    prefill: prefill ?? { cachedTokens: 0, prefillMs: 0 },
    decodeMs: firstAt === 0 ? 0 : performance.now() - firstAt,
    completionTokens: generated.length,
  });
  for (;;) {
    // The last token needs no row of its own.
    const positions = Math.min(room, prompt.length + limit - generated.length - 1);
    const ids = session.generate(prompt, positions, {
      sampling: plan.sampling,
      signal,
      onLogits,
      onPrefilled: (result) => {
        prefill ??= result;
        firstAt ||= performance.now();
      },
    });
    for await (const id of ids) {
      generated.push(id);
      if (!plan.ignoreEos && eosIds.has(id)) {
        yield { text: matcher.push(stream?.flush() ?? '').text + matcher.flush(), ids: [id] };
        return end('stop');
      }
      const { text, stopped } = matcher.push(stream?.push(id) ?? '');
      yield { text, ids: [id] };
      if (stopped) return end('stop');
      if (generated.length >= limit) break;
    }
    const next = generated.length < limit ? input.shorten(generated) : null;
    if (next === null) {
      yield { text: matcher.push(stream?.flush() ?? '').text + matcher.flush(), ids: [] };
      return end('length');
    }
    prompt = next;
  }
}
