/** Which requests may be sent again, and when. */
import { retryAfterSeconds } from "./errors.ts";

const TRY_AGAIN = new Set([429, 502, 503, 504]);
const MAX_RETRY_AFTER_S = 60;

/** Whether a request may arrive twice: one that reads, or one that is `repeatable`, because a key or its content makes it so. */
export function mayRepeat(method: string, repeatable: boolean): boolean {
  return method === "GET" || repeatable;
}

/** How long to wait before the next attempt, in ms; null: give up. `attempt` counts from 0. */
export function delayAfter(response: Response | null, attempt: number): number | null {
  const backoff = Math.min(8_000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2);
  if (response === null) return backoff;
  if (!TRY_AGAIN.has(response.status)) return null;
  const wanted = retryAfterSeconds(response.headers);
  if (wanted === null) return backoff;
  // A little later than asked for, so that clients that were refused together do not come back together.
  return wanted > MAX_RETRY_AFTER_S ? null : wanted * 1_000 + backoff / 4;
}
