import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';

const PREFIX = 'webmla.';

/**
 * A signal that outlives the page, in localStorage. Where storage is refused or full it still works, for as long as the page
 * is open.
 * @param parse gets what was stored, or undefined when that is nothing or nonsense; returns a value that can be used
 */
export function kept<T>(name: string, parse: (stored: unknown) => T): Signal<T> {
  const key = PREFIX + name;
  const value = signal(parse(read(key)));
  let first = true;
  value.subscribe((now) => {
    // The first call says what was just read.
    if (!first) write(key, now);
    first = false;
  });
  return value;
}

function read(key: string): unknown {
  try {
    const text = localStorage.getItem(key);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full, or refused: the setting lasts as long as the page.
  }
}
