import { uniform } from '../core/rng.ts';
import { at } from './at.ts';

export interface SamplingRule {
  readonly temperature: number;
  readonly top_p: number;
  readonly min_p: number;
  readonly repetition_penalty: number;
  readonly presence_penalty: number;
  readonly frequency_penalty: number;
  readonly top_k: number;
  readonly seed: number;
  readonly greedy: boolean;
}

/**
 * Penalties, temperature, then top_k, top_p and min_p in transformers' order (src/transformers/generation/logits_process.py),
 * by sorting. Equal scores at a cut are all kept.
 * @param counts top bit: in the prompt; lower bits: how often generated
 * @returns ids that may be drawn, with their scores, best first
 */
export function candidates(
  logits: Float32Array,
  counts: Uint32Array,
  rule: SamplingRule,
): { readonly id: number; readonly score: number }[] {
  const scored = Array.from(logits, (logit, id) => ({
    id,
    score: Math.fround(Math.fround(penalise(logit, at(counts, id), rule)) / rule.temperature),
  })).toSorted((a, b) => b.score - a.score || a.id - b.id);
  if (rule.greedy) return scored;
  const [first] = scored;
  if (!first) return [];
  let kept = scored;
  const keepFrom = (score: number): void => {
    kept = kept.filter((c) => c.score >= score);
  };
  if (rule.top_k > 0) keepFrom(kept[Math.min(rule.top_k, kept.length) - 1]?.score ?? -Infinity);
  if (rule.top_p < 1) {
    const weights = kept.map((c) => Math.exp(c.score - first.score));
    const total = weights.reduce((a, b) => a + b, 0);
    let mass = 0;
    const cut = weights.findIndex((w) => (mass += w / total) >= rule.top_p);
    keepFrom(kept[cut === -1 ? kept.length - 1 : cut]?.score ?? -Infinity);
  }
  if (rule.min_p > 0) keepFrom(first.score + Math.log(rule.min_p));
  return kept;
}

/** Draws one id: Gumbel argmax over the candidates with counter-based noise. `position` is that of the token drawn. */
export function sample(
  logits: Float32Array,
  counts: Uint32Array,
  rule: SamplingRule,
  position: number,
): number {
  let best = { id: 0xffffffff, value: -Infinity };
  for (const { id, score } of candidates(logits, counts, rule)) {
    const value = rule.greedy ? score : score - Math.log(-Math.log(uniform(rule.seed, position, id)));
    if (value > best.value || (value === best.value && id < best.id)) best = { id, value };
  }
  return best.id;
}

function penalise(logit: number, count: number, rule: SamplingRule): number {
  if (count === 0) return logit;
  const repeated = logit > 0 ? logit / rule.repetition_penalty : logit * rule.repetition_penalty;
  const generated = (count & 0x7fffffff) >>> 0;
  return repeated - (generated > 0 ? rule.presence_penalty : 0) - generated * rule.frequency_penalty;
}
