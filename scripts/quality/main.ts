// Measures conversions of one model on one GPU, one row after the other (rows.ts): see scripts/quality_table.mjs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { MethodChoice } from '../../src/convert/budget.ts';
import { choiceOf } from '../../src/convert/candidates.ts';
import type { LayerStatistics } from '../../src/convert/statistics.ts';
import { memorySource } from '../../src/formats/byte_source.ts';
import { readTokenRows } from '../../src/formats/npy.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { openGpu } from '../../src/gpu/device.ts';
import { calibrationRows } from '../../src/runtime/calibration_rows.ts';
import { CALIBRATION_TEXT } from '../../src/runtime/calibration_text.ts';
import { convertByIntent } from '../../src/runtime/convert_by_intent.ts';
import { recalibratesFor } from '../../src/runtime/convert_model.ts';
import { readStatistics, statisticsFile } from '../../src/runtime/model_statistics.ts';
import { textWindows } from '../../src/runtime/evaluator.ts';
import { tokenizerOf } from '../../src/runtime/tokenizer_of.ts';
import { openDawn } from '../../src/cli/dawn.ts';
import { layerThreads } from '../../src/cli/layer_threads.ts';
import { openFiles } from '../../src/cli/node_files.ts';
import { QualityLab, StageTimes } from './quality_lab.ts';
import { appendResult, markdown, mean, readResults } from './results.ts';
import type { ResultRow } from './results.ts';
import { allRows } from './rows.ts';
import type { RowSpec } from './rows.ts';

const { values: args } = parseArgs({
  options: {
    model: { type: 'string' },
    /** Without: the text that ships with the package. */
    calibration: { type: 'string' },
    'calibration-rows': { type: 'string', default: '128' },
    'refit-rows': { type: 'string', default: '64' },
    /** NAME=PATH:WINDOWS */
    text: { type: 'string', multiple: true, default: [] },
    /** The same; such a text is measured, and not in the means. */
    beside: { type: 'string', multiple: true, default: [] },
    window: { type: 'string', default: '1024' },
    'first-token': { type: 'string' },
    out: { type: 'string' },
    statistics: { type: 'string' },
    limit: { type: 'string', default: '300' },
    /** Names, or beginnings of names, in the order that they are to be run; default all. */
    row: { type: 'string', multiple: true, default: [] },
    /** The original runs beside every model: for GPUs without 10 GB to spare. */
    again: { type: 'boolean', default: false },
    /** First of all, GPU time of each dispatch of one layer. */
    profile: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

/** Rows that a search measures on: behind those of the calibration. */
const SEARCH_ROWS = 4;
/** Seconds that a row is thought to take before one of its kind was timed. */
const EXPECTED = { plain: 4, refit: 10, steps: 40, search: 40 };

const started = performance.now();
const seconds = (): number => (performance.now() - started) / 1000;
const say = (text: string): void => void process.stderr.write(`${seconds().toFixed(1)} s  ${text}\n`);

function required(name: 'model' | 'out'): string {
  const value = args[name];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
}

function chosenRows(): RowSpec[] {
  const all = allRows();
  if (args.row.length === 0) return all;
  const found = args.row.flatMap((name) => {
    const exact = all.filter((one) => one.name === name);
    return exact.length > 0 ? exact : all.filter((one) => one.name.startsWith(name));
  });
  return [...new Set(found)];
}

/** What rows are made of, and what was gathered over it. */
interface Material {
  readonly label: string;
  /** What the statistics are of. */
  readonly calibrated: readonly Uint32Array<ArrayBuffer>[];
  /** For the refit. */
  readonly rows: readonly Uint32Array<ArrayBuffer>[];
  readonly statistics: readonly LayerStatistics[];
}

async function main(): Promise<void> {
  const specs = chosenRows();
  if (args.list) return void process.stdout.write(`${specs.map(({ name }) => name).join('\n')}\n`);
  const out = required('out');
  const done = readResults(out);
  const gpu = await openGpu(await openDawn());
  const { vendor, architecture, description } = gpu.info;
  say(`${vendor} ${architecture} ${description}, ${layerThreads()?.cores ?? 0} cores for the algebra`);
  const lab = new QualityLab(gpu, await openCheckpoint(await openFiles(required('model'))));
  const path = args.calibration;
  const all =
    path === undefined
      ? calibrationRows(lab.checkpoint, CALIBRATION_TEXT).rows
      : readTokenRows(new Uint8Array(readFileSync(path)), path);
  const rows = all.slice(0, Number(args['calibration-rows']));
  const refitRows = rows.slice(0, Number(args['refit-rows']));

  const setup = new StageTimes();
  const file = args.statistics;
  const statistics = await setup.stage('calibrate', async () => {
    if (file === undefined || !existsSync(file)) return lab.calibrate(rows);
    return (await readStatistics(memorySource(new Uint8Array(readFileSync(file)), file))).layers;
  });
  say(`statistics of ${statistics[0]?.tokens} tokens: ${((setup.ms['calibrate'] ?? 0) / 1000).toFixed(1)} s`);
  if (file !== undefined && !existsSync(file))
    writeFileSync(file, Buffer.concat(statisticsFile(lab.checkpoint, statistics)));
  await setup.stage('reference', async () => addTexts(lab));
  appendResult(out, { setup: setup.ms, gpuBytes: setup.gpuBytes, device: gpu.info.description });

  const usual: Material = { label: 'usual', calibrated: rows, rows: refitRows, statistics };
  if (args.profile) await profile(lab, usual, out);
  const took = new Map<string, number>();
  for (const [i, spec] of specs.entries()) {
    if (done.has(spec.name)) continue;
    const kind = kindOf(spec);
    if (seconds() + (took.get(kind) ?? EXPECTED[kind]) > Number(args.limit)) {
      say(`${spec.name}: no time left`);
      continue;
    }
    const before = seconds();
    const next = specs.slice(i + 1).find(({ name, choice }) => !done.has(name) && choice);
    // oxlint-disable-next-line no-await-in-loop -- one GPU
    const row = await measureRow(lab, spec, usual, all, () => {
      const ready = next?.choice && !next.packageText && !recalibratesFor(next.choice);
      if (ready) void lab.made.of(next.choice, usual.label, usual.statistics);
    }).catch((error: unknown) => {
      // One row that fails must not cost the others.
      say(`${spec.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      if (gpu.failure()) throw error;
      return null;
    });
    took.set(kind, seconds() - before);
    if (!row) continue;
    done.set(row.name, row);
    appendResult(out, row);
    say(
      `${row.name}: -${row.savedPercent.toFixed(1)} %, rise ${row.rise.toFixed(4)}, KL ${row.kl.toFixed(4)}`,
    );
  }
  process.stdout.write(`${markdown(specs.flatMap(({ name }) => done.get(name) ?? []))}\n`);
  gpu.device.destroy();
}

/** Of the layer in the middle, as the first choice makes it. */
async function profile(lab: QualityLab, { label, rows, statistics }: Material, out: string): Promise<void> {
  const choice = allRows().find((one) => one.choice?.form === 'reuse')?.choice;
  const made = choice && (await lab.made.of(choice, label, statistics));
  const layer = made?.[Math.floor(made.length / 2)];
  const ids = rows[0];
  if (!layer || !ids) return;
  const found = await lab.profile(layer, ids);
  for (const [part, name, us] of found) say(`${us.toFixed(1).padStart(9)} us  ${part}: ${name}`);
  appendResult(out, { profile: found });
}

function kindOf({ steps, refit, searched }: RowSpec): keyof typeof EXPECTED {
  if (searched !== null) return 'search';
  return steps > 0 ? 'steps' : refit ? 'refit' : 'plain';
}

function partsOf(text: string): readonly [name: string, path: string, windows: string] {
  const [, name = '', path = '', windows = '1'] = /^([^=]+)=(.+):(\d+)$/.exec(text) ?? [];
  return [name, path, windows];
}

async function addTexts(lab: QualityLab): Promise<void> {
  const tokenizer = tokenizerOf(lab.checkpoint);
  if (!tokenizer) throw new Error('the model has no tokenizer');
  const first = args['first-token'];
  for (const text of [...args.text, ...args.beside]) {
    const [name, path, count] = partsOf(text);
    const { windows } = textWindows(
      tokenizer,
      readFileSync(path, 'utf8'),
      Number(args.window),
      first === undefined ? undefined : Number(first),
      Number(count),
    );
    // oxlint-disable-next-line no-await-in-loop -- one GPU
    const { perplexity } = await lab.addText(name, windows, !args.again);
    say(`${name}: ${windows.length} windows, original ${perplexity.toFixed(4)}`);
  }
}

async function measureRow(
  lab: QualityLab,
  spec: RowSpec,
  usual: Material,
  all: Material['rows'],
  onMade: () => void,
): Promise<ResultRow> {
  const clock = new StageTimes();
  const material = spec.packageText ? await packageMaterial(lab, clock) : usual;
  const found = spec.searched === null ? null : await search(lab, spec.searched, usual, all, clock);
  const choice = found?.choice ?? spec.choice;
  const { label, rows } = material;
  const statistics =
    choice && recalibratesFor(choice)
      ? await clock.stage('recalibrate', async () =>
          lab.recalibrated(choice, material.statistics, material.calibrated),
        )
      : material.statistics;
  const made = choice && (await clock.stage('convert', async () => lab.made.of(choice, label, statistics)));
  onMade();
  const layers =
    made && choice && (spec.refit || spec.steps > 0)
      ? await clock.stage('refit', async () => lab.refit(made, statistics, choice, rows, spec.steps))
      : (made?.map(({ converted }) => converted) ?? null);
  const cacheDtype = choice?.cacheDtype ?? spec.cacheDtype;
  const decoders = layers?.map(({ layer }) => layer) ?? null;
  const texts = await lab.measure(decoders, cacheDtype, clock);
  const counted = args.text.flatMap((text) => texts[partsOf(text)[0]] ?? []);
  const bytesPerToken = lab.bytesPerToken(decoders, cacheDtype);
  const algebra = layers?.reduce((sum, { algebraMs }) => sum + algebraMs, 0);
  const refine = layers?.reduce((sum, { refineMs }) => sum + refineMs, 0);
  const solve = layers?.reduce((sum, { solveMs }) => sum + solveMs, 0);
  const refinements = layers?.flatMap(({ report }) => report.refinement ?? []) ?? [];
  return {
    name: spec.name,
    bytesPerToken,
    savedPercent: 100 * (1 - bytesPerToken / lab.bytesPerToken(null, 'f16')),
    texts,
    rise: mean(counted.map(({ rise }) => rise)),
    kl: mean(counted.map(({ kl }) => kl)),
    ms: {
      ...clock.ms,
      ...(algebra !== undefined && { algebra }),
      ...(refine && { refine }),
      ...(solve && { solve }),
    },
    gpuBytes: clock.gpuBytes,
    widths: layers && layers.map(({ report }) => [report.kv_lora_rank, report.qk_rope_head_dim] as const),
    undone: refinements.length > 0 ? refinements.filter(({ undone }) => undone).length : null,
    search: found?.report ?? null,
  };
}

/** What a person gets who gives no text. */
async function packageMaterial(lab: QualityLab, clock: StageTimes): Promise<Material> {
  const { rows } = calibrationRows(lab.checkpoint, CALIBRATION_TEXT);
  const statistics = await clock.stage('calibrate', async () => lab.calibrate(rows));
  return { label: 'package', calibrated: rows, rows, statistics };
}

/** The best that a search finds within a share of the cache, on rows that the statistics have not seen. */
async function search(
  lab: QualityLab,
  kvBudget: number,
  { statistics }: Material,
  all: Material['rows'],
  clock: StageTimes,
): Promise<{ choice: MethodChoice; report: unknown }> {
  const calibrated = Number(args['calibration-rows']);
  const held = all.slice(calibrated, calibrated + SEARCH_ROWS);
  const intent = { method: 'webmla', kvBudget } as const;
  const { report } = await clock.stage('search', async () =>
    convertByIntent(lab.checkpoint, {
      intent,
      calibration: { rows: held, statistics, refitRows: 0 },
      search: { windows: held.length },
      gpu: openDawn,
      weights: 'as-is',
      threads: layerThreads(),
      onProgress: () => {},
    }),
  );
  const { chosen, candidates, rivals, better } = report;
  return { choice: choiceOf(intent, chosen), report: { chosen, candidates, rivals, better } };
}

await main();
