import type { ComponentChildren } from 'preact';
import { parseSubject, SUBJECT_NAMES } from './subject.ts';
import type { Subject } from './subject.ts';

const SHAPES: readonly Subject[] = ['smollm2-135m', 'qwen2-0.5b', 'llama-3.2-1b'];
const MODELS: readonly Subject[] = ['embedded', 'address'];

interface SubjectFieldsProps {
  readonly subject: Subject;
  /** Of the model, where the subject is 'address'. */
  readonly address: string;
  readonly change: (part: { subject?: Subject; address?: string }) => void;
}

/** Which model is measured. */
export function SubjectFields({ subject, address, change }: SubjectFieldsProps): ComponentChildren {
  const options = (subjects: readonly Subject[]): ComponentChildren =>
    subjects.map((one) => (
      <option key={one} value={one}>
        {one === 'address' ? 'Another model, by address' : SUBJECT_NAMES[one]}
      </option>
    ));
  return (
    <>
      <div class="stacked">
        <label for="subject">Model</label>
        <select
          id="subject"
          class="field"
          value={subject}
          onChange={({ currentTarget }) => change({ subject: parseSubject(currentTarget.value, subject) })}
        >
          <optgroup label="Shape, with random weights">{options(SHAPES)}</optgroup>
          <optgroup label="Model, with its own">{options(MODELS)}</optgroup>
        </select>
      </div>
      {subject === 'address' && (
        <div class="stacked">
          <label for="model-address">Address or Hub id</label>
          <input
            id="model-address"
            class="field"
            type="text"
            inputMode="url"
            autocomplete="off"
            spellcheck={false}
            required
            placeholder="owner/name, https://…"
            value={address}
            onInput={({ currentTarget }) => change({ address: currentTarget.value })}
          />
        </div>
      )}
    </>
  );
}
