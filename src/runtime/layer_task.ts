import type { AttentionConfig } from '../convert/attention_shape.ts';
import { convertLayer } from '../convert/convert_layer.ts';
import type { ConvertOptions, MethodOptions } from '../convert/convert_layer.ts';
import type { LatentMaps } from '../convert/latent_maps.ts';
import type { LayerReport } from '../convert/report.ts';
import { solvePositive } from '../convert/linalg/cholesky.ts';
import type { Matrix } from '../convert/linalg/matrix.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { asWebMlaError } from '../core/errors.ts';
import type { SerializedError } from '../core/errors.ts';
import type { GqaAttention, MlaAttention } from '../core/layers.ts';

/** The algebra of one layer, or of its refit, as a message to another thread, and the answer. Plain data and typed arrays, both ways. */

export interface LayerTask {
  readonly config: AttentionConfig;
  readonly layer: number;
  readonly attention: GqaAttention;
  readonly statistics: LayerStatistics;
  readonly method: MethodOptions;
  readonly options: ConvertOptions;
}

export interface LayerMade {
  readonly attention: MlaAttention;
  /** What attention was made of. */
  readonly maps: LatentMaps;
  readonly report: LayerReport;
  /** Time that the thread took for it. */
  readonly algebraMs: number;
}

/** Equations of a refit, or some columns of them (convert/linalg/cholesky.ts). */
export interface SolveTask {
  readonly left: Matrix;
  readonly right: Matrix;
}

export type ThreadTask = LayerTask | SolveTask;

export type ThreadAnswer =
  | { readonly made: LayerMade }
  | { readonly solution: Matrix }
  | { readonly error: SerializedError };

/** @throws WebMlaError as convertLayer does */
export function makeLayer({ config, layer, attention, statistics, method, options }: LayerTask): LayerMade {
  const started = performance.now();
  const made = convertLayer(config, layer, attention, statistics, method, options);
  return { ...made, algebraMs: performance.now() - started };
}

/** What a thread does with a task. Never throws. */
export function answerTask(task: ThreadTask): ThreadAnswer {
  try {
    return 'left' in task ? { solution: solvePositive(task.left, task.right) } : { made: makeLayer(task) };
  } catch (error) {
    const { code, message, hint, details } = asWebMlaError(error);
    return { error: { code, message, hint, details: JSON.parse(JSON.stringify(details)) } };
  }
}

/** Buffers of a message that the sender does not need again, each once. */
export function buffersOf(message: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const visit = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
    } else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
  };
  visit(message);
  return [...found];
}
