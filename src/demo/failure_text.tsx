import type { ComponentChildren } from 'preact';
import { Icon } from './icons.tsx';
import type { Failure } from './failure.ts';

/** What went wrong and what can be done, with the code that a search or a bug report needs. */
export function FailureText({ failure, title }: { failure: Failure; title?: string }): ComponentChildren {
  const { code, message, hint } = failure;
  return (
    <div class="failure">
      <Icon name="warning" />
      <div>
        {title !== undefined && <p class="failure-title">{title}</p>}
        <p class="failure-message">
          {message} <code class="failure-code">{code}</code>
        </p>
        {hint !== '' && <p class="failure-hint">{hint}</p>}
      </div>
    </div>
  );
}
