import { openBench } from '../../measure.ts';
import type { BenchProgress, BenchRequest, BenchResult } from '../../measure.ts';
import { serveJob } from '../job_worker.ts';

export interface BenchJob {
  readonly request: BenchRequest;
  readonly progress: BenchProgress;
  readonly result: BenchResult;
}

serveJob<BenchJob>((request, onProgress, signal) => openBench(request, navigator.gpu, onProgress, signal));
