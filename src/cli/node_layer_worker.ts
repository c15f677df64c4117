import { parentPort } from 'node:worker_threads';
import { answerTask, buffersOf } from '../runtime/layer_task.ts';
import type { ThreadTask } from '../runtime/layer_task.ts';

/** The script of a thread that converts layers, in Node. */

parentPort?.on('message', (task: ThreadTask) => {
  const answer = answerTask(task);
  parentPort?.postMessage(answer, buffersOf(answer));
});
