import { expect, test } from 'vitest';
import type { ConvertedFiles } from '../../../src/runtime/convert_files.ts';
import type { LoadProgress } from '../../../src/runtime/types.ts';
import { convertInWorker } from '../../../src/worker/convert_client.ts';
import type { ConvertTask, FromConverter } from '../../../src/worker/convert_protocol.ts';
import { READY } from '../../../src/worker/messages.ts';
import { WorkerStartError } from '../../../src/worker/started_worker.ts';

/** A worker that does what the test says. */
class FakeWorker extends EventTarget implements Worker {
  onmessage = null;
  onmessageerror = null;
  onerror = null;
  ended = 0;
  readonly tasks: ConvertTask[] = [];
  readonly #work: (worker: FakeWorker) => void;

  constructor(work: (worker: FakeWorker) => void) {
    super();
    this.#work = work;
  }

  say(data: FromConverter | typeof READY): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }

  fail(message: string): void {
    this.dispatchEvent(Object.assign(new Event('error', { cancelable: true }), { message }));
  }

  postMessage(task: ConvertTask): void {
    this.tasks.push(task);
    this.#work(this);
  }

  terminate(): void {
    this.ended++;
  }
}

const task: ConvertTask = {
  model: new URL('https://x/model/'),
  request: { wish: { method: 'webmla', kvBudget: 0.5 }, cacheDtype: undefined, text: 'text' },
};
const made: ConvertedFiles = { files: [], name: 'model', conversion: { reports: [], ms: 3 }, notes: [] };

async function run(
  worker: FakeWorker,
  signal?: AbortSignal,
  seen: LoadProgress[] = [],
): Promise<ConvertedFiles> {
  const answer = convertInWorker(worker, task, (progress) => seen.push(progress), signal);
  queueMicrotask(() => worker.say(READY));
  return answer;
}

test('progress, then the files; the worker is ended', async () => {
  const progress = { stage: 'convert', loaded: 1, total: 2, unit: 'layers' } as const;
  const worker = new FakeWorker((to) => {
    to.say({ type: 'progress', progress });
    to.say({ type: 'converted', converted: made });
  });
  const seen: LoadProgress[] = [];
  expect(await run(worker, undefined, seen)).toEqual(made);
  expect(seen).toEqual([progress]);
  expect(worker.ended).toBe(1);
  // A URL cannot be cloned; its text can.
  expect(worker.tasks).toMatchObject([{ model: 'https://x/model/' }]);
});

test('errors keep their code, and the worker is ended', async () => {
  const error = { code: 'out_of_memory', message: 'no', hint: 'less', details: { bytes: 3 } } as const;
  const worker = new FakeWorker((to) => to.say({ type: 'error', error }));
  await expect(run(worker)).rejects.toMatchObject(error);
  const crashed = new FakeWorker((to) => to.fail('stack'));
  await expect(run(crashed)).rejects.toMatchObject({ code: 'internal' });
  expect([worker.ended, crashed.ended]).toEqual([1, 1]);
});

test('cancel in the middle ends the worker at once', async () => {
  const controller = new AbortController();
  const worker = new FakeWorker(() => controller.abort());
  await expect(run(worker, controller.signal)).rejects.toMatchObject({ code: 'aborted' });
  expect(worker.ended).toBe(1);
  const late = new FakeWorker(() => undefined);
  await expect(run(late, controller.signal)).rejects.toMatchObject({ code: 'aborted' });
  expect([late.tasks.length, late.ended]).toEqual([0, 1]);
});

test('a script that does not load can be told from a conversion that fails', async () => {
  const worker = new FakeWorker(() => undefined);
  const answer = convertInWorker(worker, task, () => undefined, undefined);
  worker.fail('404');
  await expect(answer).rejects.toBeInstanceOf(WorkerStartError);
  await expect(answer).rejects.toThrow(/404/);
  expect(worker.ended).toBe(1);
});
