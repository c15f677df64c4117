import { signal } from '@preact/signals';

export interface Notice {
  readonly text: string;
  readonly action: string;
  readonly act: () => void;
}

/** Long enough to read the line and reach the button. */
const SHOWN_MS = 8000;

/** What is said in passing: to the eye with something to do about it, or to screen readers alone. */
export class Notices {
  readonly shown = signal<Notice | null>(null);
  /** Read out when it changes. */
  readonly spoken = signal('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  offer(text: string, action: string, act: () => void): void {
    clearTimeout(this.#timer);
    this.shown.value = {
      text,
      action,
      act: () => {
        this.dismiss();
        act();
      },
    };
    this.#timer = setTimeout(() => this.dismiss(), SHOWN_MS);
  }

  dismiss(): void {
    clearTimeout(this.#timer);
    this.shown.value = null;
  }

  announce(text: string): void {
    this.spoken.value = text;
  }
}
