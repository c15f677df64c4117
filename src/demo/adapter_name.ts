import type { AdapterInfo } from '../index.ts';

/** As the browser tells it, which may be little. */
export function adapterName({ description, vendor, architecture }: AdapterInfo): string {
  return description || [vendor, architecture].filter((part) => part !== '').join(' ') || 'unnamed';
}
