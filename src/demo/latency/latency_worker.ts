import { calibrationText } from '../../conversion.ts';
import { layerThreads, RaceServer } from '../../measure.ts';
import type { RaceReport, RaceRequest } from '../../measure.ts';
import { serveJob } from '../job_worker.ts';

export interface RaceJob {
  readonly request: RaceRequest;
  readonly progress: RaceReport;
  readonly result: RaceReport;
}

const server = new RaceServer({
  webgpu: navigator.gpu,
  threads: layerThreads,
  calibrationText,
});

serveJob<RaceJob>((request, onProgress, signal) => server.run(request, onProgress, signal));
