import type { ComponentChildren } from 'preact';
import { useChat } from './chat_context.ts';
import { labelOf, sameModel, keyOf } from '../model_choice.ts';

/** A conversation that another model wrote goes on with the one that is loaded, unless the person wants it back. */
export function ModelMismatch(): ComponentChildren {
  const chat = useChat();
  const conversation = chat.shelf.current.value;
  if (!conversation || chat.running.value) return null;
  const { choice } = chat.request();
  const { model } = conversation;
  if (sameModel(model, keyOf(choice))) return null;
  return (
    <p class="mismatch">
      <span>
        {labelOf(model)} wrote this; {labelOf(keyOf(choice))} will go on.
      </span>
      <button
        type="button"
        class="link"
        onClick={() => {
          if (model.kind === 'local') chat.panel.value = 'models';
          else chat.loadModel(model);
        }}
      >
        {model.kind === 'local' ? `Choose ${model.name} again` : `Load ${labelOf(model)}`}
      </button>
    </p>
  );
}
