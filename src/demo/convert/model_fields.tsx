import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { listStoredFiles } from '../../index.ts';
import { EMBEDDED_MODEL } from '../embedded_model.ts';
import { Icon } from '../icons.tsx';
import { addressChoice, EMBEDDED, keyOf, labelOf, localChoice } from '../model_choice.ts';
import { bytes, count, parameters, plural } from '../quantities.ts';
import { addressOf, groupStored } from '../stored_groups.ts';
import type { ConvertSession } from './convert_session.ts';

const KINDS = [
  { kind: 'embedded', name: 'This page’s' },
  { kind: 'address', name: 'Hub or address' },
  { kind: 'local', name: 'Files' },
] as const;

/** Which model: the one that comes with the page, one from an address, or files of this device. */
export function ModelFields({ session }: { session: ConvertSession }): ComponentChildren {
  const model = session.model.value;
  const kind = useSignal<(typeof KINDS)[number]['kind']>(model.kind);
  // The address of the page, or what is dropped, decides too.
  useEffect(() => {
    kind.value = model.kind;
  }, [model]);
  const busy = session.state.value.kind === 'running' && session.state.value.goal !== 'open';
  return (
    <section class="convert-form" aria-labelledby="model-title">
      <h2 id="model-title">Model</h2>
      <fieldset class="segments segments-wide" disabled={busy}>
        <legend class="unseen">Where the model comes from</legend>
        {KINDS.map((one) => (
          <label key={one.kind}>
            <input
              type="radio"
              name="model-kind"
              checked={kind.value === one.kind}
              onChange={() => {
                kind.value = one.kind;
                if (one.kind === 'embedded') void session.choose(EMBEDDED);
              }}
            />
            {one.name}
          </label>
        ))}
      </fieldset>
      {kind.value === 'address' && <AddressField session={session} disabled={busy} />}
      {kind.value === 'local' && <FileButtons session={session} disabled={busy} />}
      {model.kind === kind.value && <Facts session={session} />}
    </section>
  );
}

function Facts({ session }: { session: ConvertSession }): ComponentChildren {
  const subject = session.subject.value;
  const name = labelOf(keyOf(session.model.value));
  if (!subject) return <p class="faint">{name}</p>;
  const { layers, groups, head_dim, heads, gqaBytes } = subject;
  return (
    <p class="faint">
      <strong class="subject-name">{subject.name || EMBEDDED_MODEL.name}</strong>,{' '}
      {parameters(subject.parameters)} parameters. {plural(layers, 'layer')}, {count(heads)} heads in{' '}
      {plural(groups, 'KV head')} of {head_dim}: a token takes {bytes(gqaBytes.f16)} of f16 cache.
    </p>
  );
}

interface FieldProps {
  readonly session: ConvertSession;
  readonly disabled: boolean;
}

function AddressField({ session, disabled }: FieldProps): ComponentChildren {
  const model = session.model.value;
  const address = useSignal(model.kind === 'address' ? model.address : '');
  const stored = useSignal<readonly { name: string; address: string }[]>([]);
  useEffect(() => {
    const look = async (): Promise<void> => {
      const groups = groupStored(await listStoredFiles());
      stored.value = groups.flatMap((group) => {
        const found = addressOf(group);
        return found === null ? [] : [{ name: group.name, address: found }];
      });
    };
    // Where nothing may be kept, nothing is offered.
    look().catch(() => undefined);
  }, []);
  return (
    <form
      class="stacked"
      onSubmit={(event) => {
        event.preventDefault();
        if (address.value.trim() !== '') void session.choose(addressChoice(address.value));
      }}
    >
      <label for="model-address">Hub id or address</label>
      <div class="field-row">
        <input
          id="model-address"
          class="field"
          type="text"
          inputMode="url"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          placeholder="owner/name, https://…"
          disabled={disabled}
          value={address.value}
          onInput={({ currentTarget }) => {
            address.value = currentTarget.value;
          }}
        />
        <button type="submit" class="button" disabled={disabled || address.value.trim() === ''}>
          Read
        </button>
      </div>
      {stored.value.length > 0 && (
        <p class="stored-models">
          <span class="faint">Kept on this device:</span>
          {stored.value.map((one) => (
            <button
              key={one.address}
              type="button"
              class="link"
              disabled={disabled}
              onClick={() => {
                address.value = one.address;
                void session.choose(addressChoice(one.address));
              }}
            >
              {one.name}
            </button>
          ))}
        </p>
      )}
      <details class="token">
        <summary class="faint">Access token</summary>
        <input
          class="field"
          type="password"
          aria-label="Access token of the Hub"
          autocomplete="off"
          placeholder="hf_…"
          value={session.accessToken.value}
          onInput={({ currentTarget }) => {
            session.accessToken.value = currentTarget.value;
          }}
        />
      </details>
    </form>
  );
}

function FileButtons({ session, disabled }: FieldProps): ComponentChildren {
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
    if (files.length > 0) void session.choose(localChoice(files));
  };
  return (
    <div class="stacked">
      <div class="field-row">
        <button type="button" class="button" disabled={disabled} onClick={() => file.current?.click()}>
          <Icon name="file" />
          Choose files
        </button>
        <button type="button" class="button" disabled={disabled} onClick={() => folder.current?.click()}>
          <Icon name="folder" />
          Choose a folder
        </button>
      </div>
      <p class="faint">A .gguf, or a folder in Hugging Face layout; or drop them anywhere on this page.</p>
      <input ref={file} type="file" multiple hidden data-testid="model-files" onChange={take} />
      <input ref={folder} type="file" hidden data-testid="model-folder" onChange={take} />
    </div>
  );
}
