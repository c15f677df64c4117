import type { Failure } from './failure.ts';

/** What `?auto=1` leaves where outside checks look (contract: "Pages"). */
export function publish(result: unknown): void {
  Object.assign(globalThis, { __result: result });
}

export function publishFailure({ code, message }: Failure): void {
  publish({ error: { code, message } });
}
