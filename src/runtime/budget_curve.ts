import type { MethodChoice } from '../convert/budget.ts';
import type { LayerReport } from '../convert/report.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import type { ModelConfig } from '../core/config.ts';
import type { LatentForm } from '../core/layers.ts';
import type { LayerSource } from './calibrate.ts';
import { convertLayers } from './converted_layers.ts';
import type { ThreadOptions } from './converted_layers.ts';

/** What webmla's own method predicts for every width of the cache's row, in one form. */
export interface BudgetCurve {
  readonly form: LatentForm;
  /** By width, ascending. */
  readonly points: readonly CurvePoint[];
}

export interface CurvePoint {
  /** Values cached per token and layer. */
  readonly row_dim: number;
  /** Expected squared error of the attention output, as a share of what leaving out everything would cost; mean of the layers. */
  readonly error: number;
}

/** Budgets at which layers are really made. Between them the spectrum says what another rank would keep. */
const PROBES = [0.15, 0.4, 0.75];
const STEP = 4;
/** The narrowest row that a budget may ask for (convert/budget.ts). */
const LEAST_ROW = 8;

/**
 * Makes every layer at a few budgets, and draws the curve from their spectra: with its number of rope pairs each tells the error
 * at every rank, and the best of them is what a budget costs.
 */
export async function budgetCurve(
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  form: LatentForm,
  options: ThreadOptions & { readonly onProgress?: (loaded: number, total: number) => void } = {},
): Promise<BudgetCurve> {
  const probes: LayerReport[][] = [];
  const layers = config.num_hidden_layers;
  const widest = 2 * config.num_key_value_heads * config.head_dim;
  for (const [at, budget] of PROBES.entries()) {
    const kvBudget = Math.max(budget, LEAST_ROW / widest);
    const choice: MethodChoice = {
      method: 'webmla',
      form,
      exportable: false,
      cacheDtype: 'f16',
      kvBudget,
      options: {},
    };
    const reports: LayerReport[] = [];
    for await (const { report } of convertLayers(config, source, statistics, choice, options)) {
      reports.push(report);
      options.onProgress?.(at * layers + reports.length, PROBES.length * layers);
    }
    probes.push(reports);
  }
  return { form, points: curveOf(probes, form, widest) };
}

/** What is asked of a layer's report. */
export type Probe = Pick<LayerReport, 'spectrum' | 'predictedError' | 'ropePairs'>;

/** @param probes reports of all layers, at each budget; @param widest values that GQA caches */
export function curveOf(
  probes: readonly (readonly Probe[])[],
  form: LatentForm,
  widest: number,
): CurvePoint[] {
  const errors = probes.map((reports) => reports.map((report) => errorsByRank(report)));
  const points: CurvePoint[] = [];
  for (let row_dim = LEAST_ROW; row_dim <= widest; row_dim += STEP) {
    const shares = (probes[0] ?? []).map((_, layer) => {
      const possible = probes.map((reports, probe) => {
        const pairs = reports[layer]?.ropePairs.length ?? 0;
        const rank = form === 'recon' ? row_dim : row_dim - 2 * pairs;
        return rank < 1 ? Infinity : (errors[probe]?.[layer]?.(rank) ?? Infinity);
      });
      const all = Math.max(...errors.map((layers) => layers[layer]?.(0) ?? 0));
      return all > 0 ? Math.min(1, ...possible.map((error) => error / all)) : 0;
    });
    points.push({
      row_dim,
      error: shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length),
    });
  }
  return points;
}

/** Expected squared error of a layer with its own rope pairs, at any rank. */
function errorsByRank({ spectrum, predictedError }: Probe): (rank: number) => number {
  const values = [...(spectrum?.kept ?? []), ...(spectrum?.dropped ?? [])];
  // What the pairs that are not rotated cost, at every rank the same.
  const dropped = (spectrum?.dropped ?? []).reduce((sum, value) => sum + value, 0);
  const fixed = Math.max(0, (predictedError ?? dropped) - dropped);
  const tails = new Float64Array(values.length + 1);
  for (let i = values.length - 1; i >= 0; i--) tails[i] = (tails[i + 1] ?? 0) + (values[i] ?? 0);
  return (rank) => (tails[Math.min(rank, values.length)] ?? 0) + fixed;
}
