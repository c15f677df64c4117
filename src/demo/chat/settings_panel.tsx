import type { ComponentChildren } from 'preact';
import { useChat } from './chat_context.ts';
import { LoadingForm } from './loading_form.tsx';
import { SamplingForm } from './sampling_form.tsx';

export function SettingsPanel(): ComponentChildren {
  const chat = useChat();
  const { system } = chat.settings();
  return (
    <div class="modal-body">
      <section class="form-section">
        <h3>
          <label for="system-prompt">System prompt</label>
        </h3>
        <textarea
          id="system-prompt"
          class="field"
          rows={4}
          placeholder="None. What is written here comes before the first message."
          value={system}
          onInput={({ currentTarget }) => chat.configure({ system: currentTarget.value })}
        />
      </section>
      <SamplingForm />
      <LoadingForm />
    </div>
  );
}
