import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attentionShape } from '../../src/convert/attention_shape.ts';
import { TRAINED, trainedValues, withTrainedValues } from '../../src/convert/refined_maps.ts';
import type { TrainedName, TrainedValues } from '../../src/convert/refined_maps.ts';
import type { Moments } from '../../src/convert/statistics.ts';
import { toMlaAttention } from '../../src/convert/to_attention.ts';
import type { DecoderLayer } from '../../src/core/layers.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies } from '../../src/core/rope.ts';
import { randomStream } from '../../src/core/rng.ts';
import { Buffers } from '../../src/gpu/buffers.ts';
import { latentOutput } from '../../src/reference/latent_layer.ts';
import { withLayer } from '../../src/runtime/calibrate.ts';
import { backwardPass } from '../../src/runtime/refine/backward_pass.ts';
import { forwardPass } from '../../src/runtime/refine/forward_pass.ts';
import { passLayout } from '../../src/runtime/refine/pass_layout.ts';
import { Products } from '../../src/runtime/refine/products.ts';
import { refineLayer } from '../../src/runtime/refine/refine_layer.ts';
import type { RefinedLayer, RefineOptions } from '../../src/runtime/refine/refine_layer.ts';
import { converted, openBench, prepared, read } from './refine_bench.ts';
import type { Bench, PreparedBench, Rows } from './refine_bench.ts';

const FORMS = ['strict', 'reuse', 'recon'] as const;
const random = randomStream(21);

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => expect(bench.gpu.failure()).toBeUndefined());

function mapValues(
  values: TrainedValues,
  change: (values: Float64Array<ArrayBuffer>, name: TrainedName) => Float64Array<ArrayBuffer>,
): TrainedValues {
  const result: Record<TrainedName, Float64Array<ArrayBuffer>> = { ...values };
  for (const name of TRAINED) result[name] = change(values[name], name);
  return result;
}

/** Columns [from, to) of the first `tokens` rows. */
function columns(values: Float32Array, stride: number, tokens: number, from: number, to: number): number[] {
  const rows = Array.from({ length: tokens }, (_, t) => values.subarray(t * stride + from, t * stride + to));
  return rows.flatMap((row) => [...row]);
}

describe('gradients of every trained tensor', () => {
  // Rows of two lengths: what is behind the shorter one must not count.
  const lengths = [11, 7];

  test.each(FORMS)('%s: equal to differences of the loss in f64', async (form) => {
    const { config } = bench.tiny;
    const { num_attention_heads: heads, head_dim, hidden_size } = config;
    const { maps, o_proj } = converted(bench, form);
    // Nothing stays 0 or square to something else.
    const start = mapValues(trainedValues(maps, o_proj), (values) =>
      values.map((x) => x + 0.2 * (random() - 0.5)),
    );
    const short = (rows: Rows): Rows => lengths.map((length, i) => rows[i]!.slice(8, 8 + length));
    const few = { ...bench, before: short(bench.before), after: short(bench.after) };
    const found = await prepared(few, async ({ stream, layer, before, after }) => {
      const buffers = new Buffers(bench.gpu.device);
      const layout = passLayout(stream, buffers, layer, maps, start, stream.maxTokens);
      const products = new Products(stream, buffers);
      const pass = [...forwardPass(stream, layout, products), ...backwardPass(stream, layout, products)];
      await stream.pipelines.compileAll();
      const rows: { q: number[]; y: number[]; wanted: number[] }[] = [];
      for (const [i, count] of lengths.entries()) {
        stream.run([{ layer, row: before[i]! }], [...layer.attend, ...layer.project]);
        stream.run([{ layer, row: after[i]! }], [...layer.projectQkv, ...pass]);
        const { kv_stride, first_offset, row_dim, groups } = layer.layout.store;
        const qkv = await read(bench.gpu, layer.qkv);
        const projected = await read(bench.gpu, layer.projected);
        rows.push({
          q: columns(qkv, kv_stride, count, 0, heads * head_dim),
          y: columns(qkv, kv_stride, count, first_offset, first_offset + groups * row_dim),
          wanted: columns(projected, layout.wantedStride, count, 0, hidden_size),
        });
      }
      const gradients: Float32Array[] = [];
      for (const name of TRAINED) gradients.push(await read(bench.gpu, layout.tensors[name].gradient));
      const sums = await read(bench.gpu, layout.sums);
      buffers.destroy();
      return { rows, gradients, sums };
    });

    const layer = {
      ...maps,
      heads,
      hidden_size,
      frequencies: head_dim / 2,
      table: cosSinTable(ropeFrequencies(config), lengths[0]!, ropeAttentionFactor(config.rope_scaling)),
      ropeRebuild: maps.ropeRebuild?.data ?? [],
    };
    const loss = (values: TrainedValues): number =>
      found.rows.reduce((sum, { q, y, wanted }) => {
        const out = latentOutput(layer, values, q, y);
        return out.reduce((total, x, i) => total + (x - wanted[i]!) ** 2 / 2, sum);
      }, 0);
    const errors = found.sums.reduce((sum, x, i) => (i % 2 === 0 ? sum + x : sum), 0);
    expect(errors / 2 / loss(start)).toBeCloseTo(1, 5);

    TRAINED.forEach((name, index) => {
      const length = start[name].length;
      const gradient = found.gradients[index]!.subarray(0, length);
      const scale = Math.max(...gradient.map(Math.abs));
      expect(scale).toBeGreaterThan(0);
      const check = (direction: Float64Array<ArrayBuffer>): void => {
        const moved = (h: number): number =>
          loss({ ...start, [name]: start[name].map((x, i) => x + h * direction[i]!) });
        const want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        const got = direction.reduce((sum, x, i) => sum + x * gradient[i]!, 0);
        const size = direction.reduce((sum, x) => sum + Math.abs(x), 0);
        expect(Math.abs(got - want), name).toBeLessThan(2e-5 * scale * size);
      };
      // Directions that have every element in them, then single elements.
      for (let k = 0; k < 3; k++) check(Float64Array.from({ length }, () => 2 * random() - 1));
      for (let k = 0; k < 12; k++) {
        const one = new Float64Array(length);
        one[Math.floor(random() * length)] = 1;
        check(one);
      }
    });
  });
});

describe('refineLayer', () => {
  test.each(['reuse', 'recon'] as const)('%s: goes where the laboratory goes', async (form) => {
    const { maps, o_proj } = converted(bench, form);
    const { plain } = bench.tiny.statistics[0]!;
    const at = (name: string): Float64Array<ArrayBuffer> =>
      Float64Array.from(bench.golden.get(`${form}.${name}`)!);
    const lab = (when: string): TrainedValues =>
      mapValues(trainedValues(maps, o_proj), (_, name) => at(`${when}.${name}`));
    const base = {
      ...maps,
      pairs: Uint32Array.from(at('pairs')),
      ropeRebuild: maps.ropeRebuild && { ...maps.ropeRebuild, data: at('start.ropeRebuild') },
      ropeRebuildBias: at('start.ropeRebuildBias'),
    };
    const start = withTrainedValues(base, o_proj, lab('start'), plain);
    const refined = await refineAndRun(start, plain, { steps: 20 });
    const { lossBefore, lossAfter } = refined.refinement;
    const [before, after] = at('losses');
    expect(lossBefore / before!).toBeCloseTo(1, 4);
    expect(lossAfter / after!).toBeCloseTo(1, 3);
    expect(lossBefore / refined.losses[0]!).toBeCloseTo(1, 4);
    expect(lossAfter / refined.losses[1]!).toBeCloseTo(1, 4);
    const [begin, want] = [lab('start'), lab('end')];
    const end = trainedValues(refined.maps, refined.o_proj);
    for (const name of TRAINED) {
      const moved = Math.hypot(...want[name].map((x, i) => x - begin[name][i]!));
      const apart = Math.hypot(...want[name].map((x, i) => x - end[name][i]!));
      // Where a gradient is nearly 0, Adam's first steps are its sign, whatever the rounding: SwiftShader is at 1e-5.
      expect([name, apart < 1e-3 * moved, apart / moved]).toEqual([name, true, apart / moved]);
    }
  });

  test('strict: the loss on rows held back falls', async () => {
    const start = converted(bench, 'strict');
    const { plain } = bench.tiny.statistics[0]!;
    let steps = 0;
    const { refinement, losses } = await refineAndRun(start, plain, { steps: 8, onStep: () => steps++ });
    expect(steps).toBe(8);
    expect(refinement).toMatchObject({ steps: 8, heldOutRows: 4, undone: false });
    expect(refinement.lossAfter).toBeLessThan(refinement.lossBefore);
    expect(refinement.lossBefore / losses[0]!).toBeCloseTo(1, 4);
    expect(refinement.lossAfter / losses[1]!).toBeCloseTo(1, 4);
  });

  /** A refined layer, with the losses of start and end as the runtime has them. */
  async function refineAndRun(
    start: RefinedLayer,
    plain: Moments,
    options: RefineOptions,
  ): Promise<Awaited<ReturnType<typeof refineLayer>> & { losses: number[] }> {
    const { config, layers } = bench.tiny;
    return prepared(bench, async (ready) => {
      const { stream, layer, before, after } = ready;
      const found = await refineLayer(stream, layer, before, after, start, plain, options);
      const losses: number[] = [];
      for (const { maps, o_proj } of [start, found]) {
        const self_attn = toMlaAttention(maps, attentionShape(config), { ...layers[0]!.self_attn, o_proj });
        losses.push(await runLoss(ready, { ...layers[0]!, self_attn }));
      }
      return { ...found, losses };
    });
  }

  /** Σ |out - wanted|² / Σ |wanted|² of the rows that are held back, by the layer as it will run. */
  async function runLoss(
    { stream, layer, before, after }: PreparedBench,
    made: DecoderLayer,
  ): Promise<number> {
    return withLayer(stream, 0, made, async (weights) => {
      const other = await stream.prepare(0, weights);
      let [error, wanted] = [0, 0];
      for (const row of [8, 24, 40, 56]) {
        stream.run([{ layer, row: before[row]! }], [...layer.attend, ...layer.project]);
        stream.run([{ layer: other, row: after[row]! }], [...other.attend, ...other.project]);
        const want = await read(bench.gpu, layer.projected);
        const got = await read(bench.gpu, other.projected);
        got.forEach((x, i) => (error += (x - want[i]!) ** 2));
        want.forEach((x) => (wanted += x * x));
      }
      other.destroy();
      return error / wanted;
    });
  }

  test('a rate that destroys is undone; the same seed gives the same bits', async () => {
    const start = converted(bench, 'reuse');
    const { plain } = bench.tiny.statistics[0]!;
    const [wild, one, two] = await prepared(bench, async ({ stream, layer, before, after }) => {
      const run = async (rate: number) =>
        refineLayer(stream, layer, before, after, start, plain, { steps: 4, rate });
      return [await run(30), await run(0.01), await run(0.01)];
    });
    expect(wild.refinement.undone).toBe(true);
    expect(wild.refinement.lossAfter).not.toBeLessThan(wild.refinement.lossBefore);
    expect(wild.maps).toBe(start.maps);
    expect(wild.o_proj).toBe(start.o_proj);
    expect(one.refinement.undone).toBe(false);
    expect(one.maps).toEqual(two.maps);
    expect(one.o_proj).toEqual(two.o_proj);
  });

  test('cancels between steps; one row is too few', async () => {
    const start = converted(bench, 'strict');
    const { plain } = bench.tiny.statistics[0]!;
    await prepared(bench, async ({ stream, layer, before, after }) => {
      const abort = new AbortController();
      let steps = 0;
      const cancelled = refineLayer(stream, layer, before, after, start, plain, {
        steps: 50,
        signal: abort.signal,
        onStep: () => ++steps === 2 && abort.abort(),
      });
      await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
      expect(steps).toBe(2);
      const lonely = refineLayer(stream, layer, before.slice(0, 1), after, start, plain, { steps: 1 });
      await expect(lonely).rejects.toMatchObject({ code: 'bad_request' });
    });
  });
});

test('values that were not trained give the same layer, rope keys described alike', () => {
  for (const form of ['strict', 'reuse'] as const) {
    const { maps, o_proj } = converted(bench, form);
    const { plain } = bench.tiny.statistics[0]!;
    const again = withTrainedValues(maps, o_proj, trainedValues(maps, o_proj), plain);
    again.maps.ropeMean.forEach((x, i) => expect(x).toBeCloseTo(maps.ropeMean[i]!, 10));
    again.maps.ropeDeviation.forEach((x, i) => expect(x).toBeCloseTo(maps.ropeDeviation[i]!, 8));
    expect(again.maps.down).toEqual(maps.down);
  }
});
