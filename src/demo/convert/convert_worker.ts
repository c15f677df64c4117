import { layerThreads, Workbench } from '../../conversion.ts';
import type { WorkbenchProgress, WorkbenchRequest, WorkbenchResult } from '../../conversion.ts';
import { serveJob } from '../job_worker.ts';

export interface ConvertJob {
  readonly request: WorkbenchRequest;
  readonly progress: WorkbenchProgress;
  readonly result: WorkbenchResult;
}

const workbench = new Workbench({ gpu: navigator.gpu, threads: layerThreads });
serveJob<ConvertJob>((request, onProgress, signal) => workbench.run(request, onProgress, signal));
