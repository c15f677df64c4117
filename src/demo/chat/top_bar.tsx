import type { ComponentChildren } from 'preact';
import { Icon } from '../icons.tsx';
import { AttentionSwitch } from '../attention_switch.tsx';
import { percent } from '../quantities.ts';
import { useChat } from './chat_context.ts';
import { keyOf, labelOf } from '../model_choice.ts';
import { wideScreen } from './wide_screen.ts';

export function TopBar(): ComponentChildren {
  const chat = useChat();
  const { choice, options } = chat.request();
  const model = labelOf(keyOf(choice));
  const wide = wideScreen.value;
  const state = chat.session.state.value;
  const converted = state.kind === 'ready' ? state.info.converted : null;
  const { kvBudget } = options;
  return (
    <header class="top-bar">
      {!wide && (
        <button
          type="button"
          class="icon-button"
          aria-label="Conversations"
          onClick={() => {
            chat.panel.value = 'conversations';
          }}
        >
          <Icon name="menu" />
        </button>
      )}
      <button
        type="button"
        class="model-button"
        aria-label={`Model: ${model}`}
        onClick={() => {
          chat.panel.value = 'models';
        }}
      >
        <span class="model-name">{model}</span>
        {!wide && <span class="model-form">{options.attention === 'mla' ? 'MLA' : 'GQA'}</span>}
        <Icon name="chevron" />
      </button>
      {wide &&
        (converted ? (
          <span class="model-form">
            MLA, {converted.method} {converted.form}
          </span>
        ) : kvBudget !== null ? (
          <span class="model-form">MLA, {percent(kvBudget)} of the cache</span>
        ) : (
          <AttentionSwitch value={options.attention} onChange={(attention) => chat.setAttention(attention)} />
        ))}
      <span class="top-space" />
      {!wide && (
        <button type="button" class="icon-button" aria-label="New chat" onClick={() => chat.open(null)}>
          <Icon name="plus" />
        </button>
      )}
      <button
        type="button"
        class="icon-button"
        aria-label="Settings"
        title="Settings"
        onClick={() => {
          chat.panel.value = 'settings';
        }}
      >
        <Icon name="sliders" />
      </button>
    </header>
  );
}
