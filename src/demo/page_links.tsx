import type { ComponentChildren } from 'preact';

/** Relative: the site may lie in any folder. */
const PAGES = [
  { name: 'Chat', href: './' },
  { name: 'Race', href: './latency.html' },
  { name: 'Convert', href: './convert.html' },
  { name: 'Benchmark', href: './bench.html' },
  { name: 'Verify', href: './verify.html' },
] as const;

export type PageName = (typeof PAGES)[number]['name'];

/** The other pages of the site. */
export function PageLinks({ here }: { here: PageName }): ComponentChildren {
  return (
    <nav class="page-links" aria-label="Pages">
      {PAGES.filter(({ name }) => name !== here).map(({ name, href }) => (
        <a key={name} href={href}>
          {name}
        </a>
      ))}
    </nav>
  );
}
