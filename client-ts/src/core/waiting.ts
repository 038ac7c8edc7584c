/** Waiting for something that the API reports. */
import { WaitTimeout } from "./errors.ts";
import type { RequestOptions } from "./transport.ts";
import { Watch } from "./time.ts";

export interface WaitOptions {
  /** How long to wait in all. Default: until the end, however long it takes. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** For an answer that was sent in time. */
const GRACE_MS = 2_000;
/** Enough for an API that is out of reach for ten minutes. */
const OUTAGE_RETRIES = 100;

type Found<T> = { done: T } | { still: string };

/**
 * Ask again and again until there is a result. `ask` gets the time that is left, in ms, and what to pass to its requests.
 * Throws a WaitTimeout when the time is over.
 */
export async function waitFor<T>(
  what: string,
  { signal, timeoutMs = Infinity }: WaitOptions,
  ask: (leftMs: number, options: RequestOptions) => Promise<Found<T>>,
): Promise<T> {
  const until = Date.now() + timeoutMs;
  const watch = new Watch(signal);
  watch.allow(timeoutMs + GRACE_MS);
  let state = "the API has not answered";
  const late = () => new WaitTimeout(`${what}: ${state} after ${timeoutMs / 1_000} s; it continues`);
  try {
    while (true) {
      const left = Math.max(0, until - Date.now());
      const found = await ask(left, { signal: watch.signal, maxRetries: OUTAGE_RETRIES });
      if ("done" in found) return found.done;
      state = found.still;
      if (left === 0) throw late();
    }
  } catch (error) {
    throw watch.expired ? late() : error;
  } finally {
    watch.release();
  }
}
