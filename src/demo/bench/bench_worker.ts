import { openBench } from '../../measure.ts';
import type { BenchProgress, BenchRequest, BenchResult } from '../../measure.ts';
import { serveJob } from '../job_worker.ts';

serveJob<BenchRequest, BenchProgress, BenchResult>((request, onProgress, signal) =>
  openBench(request, navigator.gpu, onProgress, signal),
);
