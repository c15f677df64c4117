import type { ComponentChildren } from 'preact';
import { Icon } from './icons.tsx';
import type { IconName } from './icons.tsx';
import { theme, THEMES } from './theme.ts';
import type { Theme } from './theme.ts';

const LOOKS: Readonly<Record<Theme, { readonly icon: IconName; readonly label: string }>> = {
  system: { icon: 'screen', label: 'Theme of the system' },
  light: { icon: 'sun', label: 'Light theme' },
  dark: { icon: 'moon', label: 'Dark theme' },
};

export function ThemeSwitch(): ComponentChildren {
  return (
    <fieldset class="segments segments-icons">
      <legend class="unseen">Theme</legend>
      {THEMES.map((name) => (
        <label key={name} title={LOOKS[name].label}>
          <input
            type="radio"
            name="theme"
            aria-label={LOOKS[name].label}
            checked={theme.value === name}
            onChange={() => {
              theme.value = name;
            }}
          />
          <Icon name={LOOKS[name].icon} />
        </label>
      ))}
    </fieldset>
  );
}
