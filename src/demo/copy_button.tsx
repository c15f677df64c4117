import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { copyText } from './clipboard.ts';
import { Icon } from './icons.tsx';

const SHOWN_MS = 1500;

export interface CopyButtonProps {
  readonly text: string;
  readonly label?: string;
  /** Reads it out. */
  readonly announce: (said: string) => void;
  /** The label beside the icon, and not under the pointer only. */
  readonly wide?: boolean;
}

export function CopyButton({
  text,
  announce,
  label = 'Copy',
  wide = false,
}: CopyButtonProps): ComponentChildren {
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    copied.value = await copyText(text);
    announce(copied.value ? 'Copied.' : 'The browser does not allow copying here.');
    setTimeout(() => {
      copied.value = false;
    }, SHOWN_MS);
  };
  const icon = <Icon name={copied.value ? 'check' : 'copy'} />;
  if (wide) {
    return (
      <button type="button" class="button button-plain" onClick={() => void copy()}>
        {icon}
        {label}
      </button>
    );
  }
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={() => void copy()}>
      {icon}
    </button>
  );
}
