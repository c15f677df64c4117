import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { WeightChoice } from '../../index.ts';
import { oneOf } from '../plain_data.ts';
import { count, percent } from '../quantities.ts';
import { AttentionSwitch } from '../attention_switch.tsx';
import { useChat } from './chat_context.ts';
import { CACHE_DTYPES, CACHE_NAMES, MLA_EXPLAINED } from '../forms.ts';
import { DEFAULT_BUDGET, sameOptions, WEIGHT_CHOICES } from './load_options.ts';

const WEIGHT_NAMES: Readonly<Record<WeightChoice, string>> = {
  'as-is': 'As in the file',
  q4: '4 bits (q4_1, embeddings q8_0)',
  q8: '8 bits (q8_0)',
  f16: '16 bits (f16)',
  f32: '32 bits (f32)',
};

/** What is fixed when a model is loaded. Nothing happens before it is applied: it takes a reload. */
export function LoadingForm(): ComponentChildren {
  const chat = useChat();
  const request = chat.request();
  const draft = useSignal(request.options);
  const { attention, kvBudget, weights, cacheDtype, contextLength } = draft.value;
  const state = chat.session.state.value;
  const chosen = state.kind === 'ready' ? count(state.info.contextLength) : 'automatic';
  const changed = !sameOptions(draft.value, request.options);
  return (
    <form
      class="form-section"
      aria-labelledby="loading-title"
      onSubmit={(event) => {
        event.preventDefault();
        chat.load({ ...request, options: draft.value });
      }}
    >
      <h3 id="loading-title">Loading</h3>
      <p class="faint">A change loads the model again; the conversation stays.</p>
      <div class="setting">
        <span>Attention</span>
        <AttentionSwitch
          value={attention}
          onChange={(form) => {
            draft.value = { ...draft.value, attention: form, kvBudget: null };
          }}
          compressed={{
            chosen: kvBudget !== null,
            onChoose: () => {
              draft.value = { ...draft.value, attention: 'mla', kvBudget: DEFAULT_BUDGET };
            },
          }}
        />
        <p class="faint">{MLA_EXPLAINED}</p>
      </div>
      {kvBudget !== null && (
        <div class="setting">
          <label for="kv-budget">Cache budget: {percent(kvBudget)}</label>
          <input
            id="kv-budget"
            type="range"
            class="slider"
            style={{ '--share': (kvBudget - 0.1) / 0.9 }}
            min={10}
            max={100}
            step={5}
            aria-describedby="budget-about"
            value={Math.round(100 * kvBudget)}
            onInput={({ currentTarget }) => {
              draft.value = { ...draft.value, kvBudget: currentTarget.valueAsNumber / 100 };
            }}
          />
          <p id="budget-about" class="faint">
            Of the bytes that GQA keeps in 16 bits. The model is calibrated on a text of this page and
            converted when it is loaded; the calibration is kept on this device for another budget.
          </p>
        </div>
      )}
      <div class="setting">
        <label for="context-length">Context length</label>
        <input
          id="context-length"
          class="field number"
          type="number"
          min={1}
          step={1}
          placeholder={chosen}
          aria-describedby="context-about"
          value={contextLength ?? ''}
          onInput={({ currentTarget }) => {
            const { valueAsNumber } = currentTarget;
            draft.value = {
              ...draft.value,
              contextLength: Number.isNaN(valueAsNumber) ? null : valueAsNumber,
            };
          }}
        />
        <p id="context-about" class="faint">
          In tokens. Empty: what the model was trained for, at most 4,096.
        </p>
      </div>
      <div class="setting">
        <label for="cache-dtype">KV cache</label>
        <select
          id="cache-dtype"
          class="field"
          value={cacheDtype}
          onChange={({ currentTarget }) => {
            draft.value = {
              ...draft.value,
              cacheDtype: oneOf(currentTarget.value, CACHE_DTYPES, cacheDtype),
            };
          }}
        >
          {CACHE_DTYPES.map((name) => (
            <option key={name} value={name}>
              {CACHE_NAMES[name]}
            </option>
          ))}
        </select>
      </div>
      <div class="setting">
        <label for="weights">Weights</label>
        <select
          id="weights"
          class="field"
          value={weights}
          onChange={({ currentTarget }) => {
            draft.value = { ...draft.value, weights: oneOf(currentTarget.value, WEIGHT_CHOICES, weights) };
          }}
        >
          {WEIGHT_CHOICES.map((name) => (
            <option key={name} value={name}>
              {WEIGHT_NAMES[name]}
            </option>
          ))}
        </select>
      </div>
      <button type="submit" class="button button-accent" disabled={!changed}>
        Apply and reload
      </button>
    </form>
  );
}
