import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attentionShape } from '../../../src/convert/attention_shape.ts';
import {
  budgetCandidates,
  energyLeftOut,
  expectedLoss,
  familyMembers,
  openFamilies,
  plainCache,
} from '../../../src/convert/candidates.ts';
import type { Candidate, Intent } from '../../../src/convert/candidates.ts';
import type { CandidateReport } from '../../../src/convert/report.ts';
import { estimateRise, NOISE } from '../../../src/convert/rise_estimate.ts';
import { searchBudget, searchLoss } from '../../../src/runtime/search_budget.ts';
import type { Meter } from '../../../src/runtime/search_budget.ts';

/** The search against models that are formulas, of SmolLM2's shape. */

const LAYERS = 30;
const shape = attentionShape({
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  rope_scaling: { rope_type: 'default' },
});
const GQA = plainCache(shape, LAYERS, 'f16').bytes;
const INT4 = { form: 'gqa', cacheDtype: 'int4' } as const;
const OPEN: Intent = { method: 'webmla' };

/** A model whose losses follow the share that is left out, each form and dtype in its own way, with noise upon it. */
interface World {
  readonly decay: number;
  readonly cost: Readonly<Record<string, number>>;
  readonly power: number;
  readonly noise: number;
}

const worlds: fc.Arbitrary<World> = fc.record({
  decay: fc.double({ min: 2, max: 9, noNaN: true }),
  cost: fc.record({
    reuse: fc.double({ min: 0.5, max: 3, noNaN: true }),
    recon: fc.double({ min: 0.5, max: 3, noNaN: true }),
    strict: fc.double({ min: 1, max: 6, noNaN: true }),
    int4: fc.double({ min: 0.3, max: 4, noNaN: true }),
  }),
  power: fc.double({ min: 0.7, max: 1.4, noNaN: true }),
  noise: fc.double({ min: 0, max: 0.03, noNaN: true }),
});

function meterOf(world: World): Meter & { readonly asked: Candidate[] } {
  const asked: Candidate[] = [];
  const left = ({ row_dim }: Candidate): number =>
    Math.max(0, Math.exp((-world.decay * row_dim) / shape.width) - Math.exp(-2 * world.decay)) / 2;
  return {
    asked,
    leftOut: async (candidate) => left(candidate),
    measure: async (candidate) => {
      asked.push(candidate);
      const { form, cacheDtype, row_dim } = candidate;
      const rounding = expectedLoss(0, cacheDtype) * (world.cost[cacheDtype] ?? 1);
      const lost =
        ((form === 'gqa' ? 0 : left(candidate)) * (world.cost[form] ?? 1) + rounding) ** world.power;
      const wobble = 1 + world.noise * Math.sin(row_dim * 12.9898);
      const rise = 5 * lost * wobble;
      return { bytes: candidate.bytes - 4 * (row_dim % 3), rise, perplexity: 20 * Math.exp(rise) };
    },
  };
}

const risesOf = (candidates: readonly CandidateReport[]): CandidateReport[] =>
  candidates.filter(({ measured }) => measured !== null);

describe('a budget', () => {
  test('what is chosen fits, lies on the frontier of what was measured, and is the same again', async () => {
    await fc.assert(
      fc.asyncProperty(
        worlds,
        fc.double({ min: 0.04, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 9 }),
        async (world, kvBudget, most) => {
          const candidates = budgetCandidates(shape, LAYERS, openFamilies(OPEN), kvBudget);
          expect(candidates.every(({ bytes }) => bytes <= kvBudget * GQA)).toBe(true);
          const meter = meterOf(world);
          const found = await searchBudget(meter, candidates, most);
          expect(meter.asked.length).toBeLessThanOrEqual(most);
          expect(found.candidates.length).toBe(candidates.length);
          const { measured } = found.chosen!;
          for (const other of risesOf(found.candidates)) {
            const dominates =
              other.measured!.rise <= measured!.rise && other.measured!.bytes < measured!.bytes;
            expect(other.measured!.rise < measured!.rise || dominates).toBe(false);
          }
          expect(await searchBudget(meterOf(world), candidates, most)).toEqual(found);
        },
      ),
      { numRuns: 60, seed: 11 },
    );
  });

  test('with room for every candidate, what is given up would not have won by much', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, fc.double({ min: 0.08, max: 0.6, noNaN: true }), async (world, kvBudget) => {
        const candidates = budgetCandidates(shape, LAYERS, openFamilies(OPEN), kvBudget);
        const found = await searchBudget(meterOf({ ...world, power: 1 }), candidates, 9);
        const meter = meterOf({ ...world, power: 1 });
        const all = await Promise.all(candidates.map(async (one) => (await meter.measure(one)).rise));
        expect(found.chosen!.measured!.rise).toBeLessThanOrEqual(4 * Math.max(NOISE, Math.min(...all)));
      }),
      { numRuns: 60, seed: 12 },
    );
  });

  test('moderate rank times four bits: the losers are not measured, and the report says what they were thought to cost', async () => {
    const world: World = { decay: 3, power: 1, noise: 0, cost: { reuse: 1, recon: 0.8, strict: 4, int4: 1 } };
    const meter = meterOf(world);
    const candidates = budgetCandidates(shape, LAYERS, openFamilies(OPEN), 0.25);
    const { chosen, candidates: report } = await searchBudget(meter, candidates, 6);
    expect(chosen).toMatchObject({ form: 'recon', cacheDtype: 'int4' });
    expect(meter.asked.length).toBeLessThan(6);
    const given = report.filter(({ measured }) => measured === null);
    expect(given.length).toBeGreaterThan(3);
    for (const one of given) {
      expect(one.estimatedRise!).toBeGreaterThan(2 * chosen!.measured!.rise);
      expect(one.expectedLoss!).toBeGreaterThan(0);
    }
  });

  test('without measuring, the least expected loss decides', async () => {
    const meter = meterOf({ decay: 4, power: 1, noise: 0, cost: {} });
    const candidates = budgetCandidates(shape, LAYERS, openFamilies(OPEN), 0.25);
    const { chosen } = await searchBudget(meter, candidates, 0);
    expect(meter.asked).toEqual([]);
    expect(chosen).toMatchObject({ cacheDtype: 'int4', measured: null, estimatedRise: null });
  });
});

describe('a loss', () => {
  const families = openFamilies(OPEN).map((family) => familyMembers(shape, LAYERS, family));

  test('what is chosen stays within it, and nothing measured with fewer bytes does', async () => {
    await fc.assert(
      fc.asyncProperty(
        worlds,
        fc.double({ min: 0.005, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 8 }),
        async (world, maxLoss, most) => {
          const meter = meterOf(world);
          const { chosen, candidates } = await searchLoss(meter, families, maxLoss, most);
          expect(candidates.length).toBeLessThanOrEqual(most);
          // f16 at full width loses nothing in this world, so that something always does.
          expect(chosen!.measured!.rise).toBeLessThanOrEqual(maxLoss);
          for (const { measured } of candidates) {
            if (measured!.rise <= maxLoss)
              expect(measured!.bytes).toBeGreaterThanOrEqual(chosen!.measured!.bytes);
          }
          expect((await searchLoss(meterOf(world), families, maxLoss, most)).chosen).toEqual(chosen);
        },
      ),
      { numRuns: 60, seed: 13 },
    );
  });

  test('six measurements come near the fewest bytes there are', async () => {
    const excess: number[] = [];
    await fc.assert(
      fc.asyncProperty(worlds, fc.double({ min: 0.02, max: 0.6, noNaN: true }), async (world, maxLoss) => {
        const plain = await meterOf(world).measure(plainCache(shape, LAYERS, 'int4'));
        const known = [{ candidate: INT4, expected: expectedLoss(0, 'int4'), rise: plain.rise }];
        const { chosen } = await searchLoss(meterOf(world), families, maxLoss, 6, known);
        const meter = meterOf(world);
        let fewest = Infinity;
        for (const one of families.flat()) {
          const { rise, bytes } = await meter.measure(one);
          if (rise <= maxLoss) fewest = Math.min(fewest, bytes);
        }
        excess.push(chosen!.measured!.bytes / fewest);
      }),
      { numRuns: 60, seed: 14 },
    );
    excess.sort((a, b) => a - b);
    expect(excess[30]).toBeLessThan(1.1);
    expect(excess[54]).toBeLessThan(1.6);
  });

  test('where nothing does, nothing is chosen, and the widest was tried', async () => {
    const only = [familyMembers(shape, LAYERS, { form: 'strict', cacheDtype: 'int4' })];
    const world: World = { decay: 2, power: 1, noise: 0, cost: { strict: 6, int4: 8 } };
    const { chosen, candidates } = await searchLoss(meterOf(world), only, 0.001, 3);
    expect(chosen).toBeNull();
    expect(candidates.at(-1)!.row_dim).toBe(2 * shape.width);
  });
});

describe('estimates', () => {
  const reuse = { form: 'reuse', cacheDtype: 'f16' } as const;

  test('nothing known, one of the family, two of it, relatives', () => {
    expect(estimateRise(reuse, 0.1, [])).toBeNull();
    const one = { candidate: reuse, expected: 0.1, rise: 0.2 };
    expect(estimateRise(reuse, 0.2, [one])).toBeCloseTo(0.4, 9);
    const two = { candidate: reuse, expected: 0.2, rise: 0.8 };
    expect(estimateRise(reuse, 0.4, [one, two])).toBeCloseTo(3.2, 9);
    const int4 = { form: 'reuse', cacheDtype: 'int4' } as const;
    expect(
      estimateRise(int4, 0.3, [one, { ...two, candidate: { form: 'recon', cacheDtype: 'f16' } }]),
    ).toBeCloseTo(0.6, 9);
    // What cannot be told from noise is no measure for others.
    expect(estimateRise(reuse, 0.1, [{ ...one, rise: -0.01 }])).toBeNull();
    expect(estimateRise(reuse, 0.2, [one, { ...two, rise: NOISE / 2 }])).toBeCloseTo(0.4, 9);
  });

  test('part of the energy that is left out', () => {
    const report = { predictedError: 2, outputEnergy: 8 } as Parameters<typeof energyLeftOut>[0];
    expect(energyLeftOut(report)).toBe(0.25);
    expect(energyLeftOut({ ...report, predictedError: 9 })).toBe(1);
    expect(energyLeftOut({ ...report, outputEnergy: null })).toBeNull();
    expect(expectedLoss(0.25, 'f16')).toBe(0.25);
    expect(expectedLoss(0, 'int4')).toBeCloseTo(0.0063, 3);
  });
});
