import { answerTask, buffersOf } from '../runtime/layer_task.ts';
import type { ThreadTask } from '../runtime/layer_task.ts';

/** The script of a thread that converts layers, in browsers. It stands alone, and is loaded by conversions only. */

addEventListener('message', ({ data }: MessageEvent<ThreadTask>) => {
  const answer = answerTask(data);
  postMessage(answer, { transfer: buffersOf(answer) });
});
