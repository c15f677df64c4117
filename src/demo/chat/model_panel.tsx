import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../icons.tsx';
import { useChat } from './chat_context.ts';
import { EMBEDDED_MODEL } from '../embedded_model.ts';
import { addressChoice, EMBEDDED, keyOf, labelOf, localChoice, placeOf, sameModel } from '../model_choice.ts';
import type { ModelChoice, ModelKey } from '../model_choice.ts';
import { MadeModels } from './made_models.tsx';
import { ModelFacts } from './model_facts.tsx';
import { forgetModel, preferences } from './preferences.ts';
import { StoredFiles } from './stored_files.tsx';

/** Models of the Hub that are small enough for most devices and of an architecture that runs. Sizes of their bf16 files. */
const SUGGESTIONS = [
  { id: 'HuggingFaceTB/SmolLM2-135M-Instruct', size: '269 MB' },
  { id: 'HuggingFaceTB/SmolLM2-360M-Instruct', size: '724 MB' },
  { id: 'Qwen/Qwen2.5-0.5B-Instruct', size: '988 MB' },
] as const;

export function ModelPanel(): ComponentChildren {
  const chat = useChat();
  const current = keyOf(chat.request().choice);
  const recent = preferences.recentModels.value;
  return (
    <div class="modal-body">
      <ModelFacts />
      <section class="form-section">
        <h3>On this page</h3>
        <ModelRow
          choice={EMBEDDED}
          about={EMBEDDED_MODEL.about}
          current={sameModel(current, EMBEDDED)}
          onForget={null}
        />
      </section>
      <HubForm />
      <LocalForm />
      {recent.length > 0 && (
        <section class="form-section">
          <h3>Used before</h3>
          {recent.map((key) => (
            <ModelRow
              key={key.kind === 'address' ? key.address : labelOf(key)}
              choice={key}
              about={placeOf(key)}
              current={sameModel(current, key)}
              onForget={() => forgetModel(key)}
            />
          ))}
        </section>
      )}
      <MadeModels />
      <StoredFiles />
    </div>
  );
}

interface ModelRowProps {
  readonly choice: ModelKey;
  readonly about: string;
  readonly current: boolean;
  readonly onForget: (() => void) | null;
}

function ModelRow({ choice, about, current, onForget }: ModelRowProps): ComponentChildren {
  const chat = useChat();
  const name = labelOf(choice);
  return (
    <div class="model-row">
      <div class="model-row-text">
        <strong>{name}</strong>
        <span class="faint">{about}</span>
      </div>
      {current ? (
        <span class="badge">in use</span>
      ) : (
        choice.kind !== 'local' && (
          <button
            type="button"
            class="button"
            aria-label={`Load ${name}`}
            onClick={() => chat.loadModel(choice)}
          >
            Load
          </button>
        )
      )}
      {onForget && !current && (
        <button
          type="button"
          class="icon-button"
          aria-label={`Forget ${name}`}
          title="Forget"
          onClick={onForget}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

function HubForm(): ComponentChildren {
  const chat = useChat();
  const address = useSignal('');
  return (
    <form
      class="form-section"
      onSubmit={(event) => {
        event.preventDefault();
        if (address.value.trim() !== '') chat.loadModel(addressChoice(address.value));
      }}
    >
      <h3>From the Hugging Face Hub, or any address</h3>
      <div class="field-row">
        <input
          class="field"
          type="text"
          aria-label="Hub id or address of a model"
          placeholder="owner/name, or https://…"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          list="hub-suggestions"
          value={address}
          onInput={({ currentTarget }) => {
            address.value = currentTarget.value;
          }}
        />
        <button type="submit" class="button button-accent" disabled={address.value.trim() === ''}>
          Load
        </button>
      </div>
      <p class="suggestions">
        {SUGGESTIONS.map(({ id, size }) => (
          <button
            key={id}
            type="button"
            class="chip"
            onClick={() => {
              address.value = id;
            }}
          >
            {id.split('/')[1]} <small>{size}</small>
          </button>
        ))}
      </p>
      <details class="token">
        <summary>Access token</summary>
        <input
          class="field"
          type="password"
          aria-label="Access token of the Hub"
          autocomplete="off"
          placeholder="hf_…"
          value={chat.accessToken}
          onInput={({ currentTarget }) => {
            chat.accessToken.value = currentTarget.value;
          }}
        />
        <p class="faint">
          For repositories that ask for one. It is sent to the Hub only, and forgotten with this tab.
        </p>
      </details>
    </form>
  );
}

function LocalForm(): ComponentChildren {
  const chat = useChat();
  const file = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Not among the attributes that Preact's types know.
    if (folder.current) folder.current.webkitdirectory = true;
  }, []);
  const take = ({ currentTarget }: { currentTarget: HTMLInputElement }): void => {
    const files = [...(currentTarget.files ?? [])];
    // The same files may be chosen again.
    currentTarget.value = '';
    if (files.length === 0) return;
    const choice: ModelChoice = localChoice(files);
    chat.loadModel(choice);
  };
  return (
    <section class="form-section">
      <h3>From this device</h3>
      <p class="faint">
        A .gguf, or a folder in Hugging Face layout. Dropping them anywhere on the page works too.
      </p>
      <div class="field-row">
        <button type="button" class="button" onClick={() => file.current?.click()}>
          <Icon name="file" />
          Choose files
        </button>
        <button type="button" class="button" onClick={() => folder.current?.click()}>
          <Icon name="folder" />
          Choose a folder
        </button>
      </div>
      <input ref={file} type="file" multiple hidden data-testid="model-files" onChange={take} />
      <input ref={folder} type="file" hidden data-testid="model-folder" onChange={take} />
    </section>
  );
}
