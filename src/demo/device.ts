import { signal } from '@preact/signals';
import type { AdapterInfo } from '../index.ts';
import { findAdapter } from '../measure.ts';
import { failureOf } from './failure.ts';
import type { Failure } from './failure.ts';

export type Device =
  | { readonly kind: 'looking' }
  | { readonly kind: 'found'; readonly info: AdapterInfo }
  | { readonly kind: 'missing'; readonly failure: Failure };

/** The GPU that this browser offers. */
export const device = signal<Device>({ kind: 'looking' });

export async function lookForDevice(): Promise<Device> {
  device.value = { kind: 'looking' };
  try {
    const { info } = await findAdapter(navigator.gpu);
    device.value = { kind: 'found', info };
  } catch (error) {
    device.value = { kind: 'missing', failure: failureOf(error) };
  }
  return device.value;
}
