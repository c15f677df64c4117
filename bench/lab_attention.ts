import type { Lab } from './lab.ts';

export async function runAttention(lab: Lab): Promise<void> {
  lab.print('attention: not yet');
}
