import type { DecodePrediction, HeldOut } from '../convert/report.ts';
import { longestContext } from '../model/architecture.ts';
import { crossoverContext, decodeSeconds } from '../model/cost_model.ts';
import type { Gpu } from '../gpu/device.ts';
import type { CandidateMeter } from './candidate_meter.ts';
import type { ConvertedModel } from './conversion_types.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { LoadedModel } from './load.ts';
import { decodeCost, deviceRates } from './profile.ts';

/** Contexts that decoding is predicted at, as far as a model reaches. */
const CONTEXTS = [128, 1024, 4096, 16_384, 32_768, 131_072];

/** A converted model beside its original, on the rows that were held back. @param gqaBytes of the original's f16 cache */
export async function measureConverted(
  gpu: Gpu,
  meter: CandidateMeter,
  { decoder, latent }: { readonly decoder: DecoderSource; readonly latent: ConvertedModel['latent'] },
  original: DecoderSource,
  gqaBytes: number,
): Promise<{ heldOut: HeldOut; decode: DecodePrediction | null }> {
  const base = await meter.original();
  const before = await meter.load(original, 'f32', 'gqa');
  let after: LoadedModel | undefined;
  try {
    after = await meter.load(decoder, latent.cacheDtype, 'mla', true);
    const found = await meter.evaluate(after, before);
    const heldOut: HeldOut = {
      bytes: after.plan.kvBytesPerToken,
      rise: found.nllPerToken - base.nllPerToken,
      perplexity: found.perplexity,
      windows: found.windows,
      tokens: found.tokens,
      originalPerplexity: base.perplexity,
      kl: found.kl ?? NaN,
      top1Agreement: found.top1Agreement ?? NaN,
    };
    return { heldOut, decode: await predictDecoding(gpu, before, after, gqaBytes) };
  } finally {
    before.buffers.destroy();
    after?.buffers.destroy();
  }
}

async function predictDecoding(
  gpu: Gpu,
  before: LoadedModel,
  after: LoadedModel,
  gqaBytes: number,
): Promise<DecodePrediction | null> {
  const rates = await deviceRates(gpu, before.plan);
  if (!rates) return null;
  const gqa = { ...decodeCost(before.plan), kvBytesPerToken: gqaBytes };
  const latent = decodeCost(after.plan);
  const longest = longestContext(before.config);
  return {
    ...rates,
    rows: CONTEXTS.filter((context) => context <= longest).map((context) => ({
      context,
      gqaMs: 1000 * decodeSeconds(gqa, context, rates),
      latentMs: 1000 * decodeSeconds(latent, context, rates),
    })),
    crossover: crossoverContext(gqa, latent, rates),
  };
}
