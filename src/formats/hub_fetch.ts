import { httpGet, networkError } from './http_answer.ts';
import type { HttpOptions } from './http_answer.ts';
import { isRepeatableStatus } from './http_status.ts';
import { Patience } from './patience.ts';

/**
 * `fetch` for questions to the Hub, with our watchdog and patience. They are for lists and single bytes; of
 * anything else than JSON the body is not read, so that a server without ranges does not send a model for nothing.
 */
export function patientFetch(options: HttpOptions): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init?.headers));
    const patience = new Patience(options);
    while (true) {
      try {
        const answer = await httpGet(url, headers, options);
        if (isRepeatableStatus(answer.status)) {
          answer.cancel();
          throw networkError(url, `status ${answer.status}`, undefined, { status: answer.status });
        }
        const { status, headers: answered } = answer.response;
        if (!answered.get('content-type')?.includes('json')) {
          answer.cancel();
          return new Response(null, { status, headers: answered });
        }
        const chunks: Uint8Array<ArrayBuffer>[] = [];
        for await (const chunk of answer.chunks()) chunks.push(chunk);
        return new Response(new Blob(chunks), { status, headers: answered });
      } catch (error) {
        await patience.afterFailure(error);
      }
    }
  };
}
