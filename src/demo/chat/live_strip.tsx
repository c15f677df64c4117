import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { EngineInfo } from '../../index.ts';
import { adapterName } from '../adapter_name.ts';
import { Icon } from '../icons.tsx';
import { bytes, count, duration, rate } from '../quantities.ts';
import type { AnswerFigures } from './answer_meter.ts';
import type { Chat } from './chat.ts';
import { useChat } from './chat_context.ts';
import { Sparkline } from './sparkline.tsx';
import { wideScreen } from './wide_screen.ts';

const UNKNOWN = '–';
const NOTHING: AnswerFigures = { tokens: 0, tokensPerSecond: 0, timeToFirstTokenMs: 0, contextTokens: 0 };

/** Figures of the running answer, or of the last one: what the model costs and gives, while it does. */
export function LiveStrip(): ComponentChildren {
  const chat = useChat();
  const open = useSignal(false);
  const state = chat.session.state.value;
  const info = state.kind === 'ready' || state.kind === 'lost' ? state.info : null;
  const figures = figuresOf(chat);
  const wide = wideScreen.value;
  return (
    <section class="strip" aria-label="Live figures">
      {!wide && (
        <button
          type="button"
          class="strip-summary"
          aria-expanded={open.value}
          onClick={() => {
            open.value = !open.value;
          }}
        >
          <span>{speedText(figures)} tok/s</span>
          {info && (
            <>
              <span>
                {count(figures.contextTokens)} of {count(info.contextLength)}
              </span>
              <span>{bytes(figures.contextTokens * info.kvBytesPerToken)} cache</span>
            </>
          )}
          <Icon name="chevron" />
        </button>
      )}
      {(wide || open.value) && <Cells info={info} figures={figures} pace={paceOf(chat)} />}
    </section>
  );
}

interface CellsProps {
  readonly info: EngineInfo | null;
  readonly figures: AnswerFigures;
  readonly pace: readonly number[];
}

function Cells({ info, figures, pace }: CellsProps): ComponentChildren {
  const { contextTokens, timeToFirstTokenMs } = figures;
  return (
    <dl class="strip-cells">
      <Cell label="Speed">
        {speedText(figures)} <small>tok/s</small>
        {pace.length > 4 && <Sparkline values={pace} />}
      </Cell>
      <Cell label="First token">{timeToFirstTokenMs > 0 ? duration(timeToFirstTokenMs) : UNKNOWN}</Cell>
      <Cell label="Context">
        {info ? (
          <>
            {count(contextTokens)} <small>of {count(info.contextLength)}</small>
            <Bar share={contextTokens / info.contextLength} kind="mla" />
          </>
        ) : (
          UNKNOWN
        )}
      </Cell>
      <Cell label="KV cache">{info ? <CacheUse info={info} tokens={contextTokens} /> : UNKNOWN}</Cell>
      <Cell label="GPU" badge={info?.adapter.software === true ? 'software' : ''}>
        {info ? adapterName(info.adapter) : UNKNOWN}
      </Cell>
    </dl>
  );
}

/** Bytes in use, and what GQA would use, drawn to one scale: the larger of the two with a full context. */
function CacheUse({ info, tokens }: { info: EngineInfo; tokens: number }): ComponentChildren {
  const { attention, contextLength, kvBytesPerToken, gqaKvBytesPerToken } = info;
  const full = contextLength * Math.max(kvBytesPerToken, gqaKvBytesPerToken);
  const gqa = tokens * gqaKvBytesPerToken;
  return (
    <span title={`${count(kvBytesPerToken)} bytes a token; GQA ${count(gqaKvBytesPerToken)}`}>
      {bytes(tokens * kvBytesPerToken)} <small>{attention === 'mla' ? `GQA ${bytes(gqa)}` : 'as GQA'}</small>
      <Bar share={(tokens * kvBytesPerToken) / full} kind={attention} />
      {attention === 'mla' && <Bar share={gqa / full} kind="gqa" />}
    </span>
  );
}

interface CellProps {
  readonly label: string;
  readonly badge?: string;
  readonly children: ComponentChildren;
}

function Cell({ label, badge = '', children }: CellProps): ComponentChildren {
  return (
    <div class="strip-cell">
      <dt>
        {label} {badge !== '' && <span class="badge">{badge}</span>}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}

function Bar({ share, kind }: { share: number; kind: 'mla' | 'gqa' }): ComponentChildren {
  return (
    <span class="bar" data-kind={kind} aria-hidden="true">
      <span style={{ transform: `scaleX(${Math.min(1, share)})` }} />
    </span>
  );
}

function speedText({ tokensPerSecond }: AnswerFigures): string {
  return tokensPerSecond > 0 ? rate(tokensPerSecond) : UNKNOWN;
}

function figuresOf(chat: Chat): AnswerFigures {
  const running = chat.running.value?.meter.figures.value;
  const messages = chat.shelf.current.value?.messages ?? [];
  const last = messages.findLast((message) => message.role === 'assistant' && message.figures !== null);
  const before = last?.role === 'assistant' ? (last.figures ?? NOTHING) : NOTHING;
  if (!running) return before;
  // Until its first token the running answer has no figures of its own.
  return running.tokens > 0 ? running : { ...NOTHING, contextTokens: before.contextTokens };
}

/** Also of the answer that has just ended, as long as it is the last one. */
function paceOf(chat: Chat): readonly number[] {
  const ended = chat.answers.ended.value;
  const lastId = chat.shelf.current.value?.messages.at(-1)?.id;
  const answer = chat.running.value ?? (ended?.messageId === lastId ? ended : null);
  return answer?.meter.pace.value ?? [];
}
