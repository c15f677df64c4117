import { roundTop } from '../plot_scale.ts';
import type { Tick } from './plot_frame.tsx';

/** Powers of ten from `low` to `high`, at most `most` of them. */
export function decades(low: number, high: number, most: number, write: (value: number) => string): Tick[] {
  const from = Math.ceil(Math.log10(low) - 1e-9);
  const to = Math.floor(Math.log10(high) + 1e-9);
  const step = Math.max(1, Math.ceil((to - from + 1) / most));
  const ticks: Tick[] = [];
  for (let power = to; power >= from; power -= step) {
    const value = 10 ** power;
    ticks.push({ value, text: write(value) });
  }
  return ticks;
}

/** Round numbers from zero to at most `high`. */
export function steps(high: number, write: (value: number) => string): Tick[] {
  const { step } = roundTop(high);
  const ticks: Tick[] = [];
  for (let i = 0; i * step <= high * (1 + 1e-9); i++) {
    const value = Number((i * step).toPrecision(12));
    ticks.push({ value, text: write(value) });
  }
  return ticks;
}

/** 100 %, 2.1 %, 0.1 % */
export function smallShare(value: number): string {
  const percent = value * 100;
  if (percent === 0) return '0 %';
  return percent < 0.00999 ? '< 0.01 %' : `${Number(percent.toPrecision(2))} %`;
}

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** 1, 10⁻³ */
export function powerOfTen(value: number): string {
  const power = Math.round(Math.log10(value));
  if (power === 0) return '1';
  const digits = String(Math.abs(power)).replaceAll(/\d/g, (digit) => RAISED.charAt(Number(digit)));
  return `10${power < 0 ? '⁻' : ''}${digits}`;
}
