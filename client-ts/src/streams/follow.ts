/** Event streams that continue after a lost connection, without a gap and without a repetition. */
import { ApiError, ConnectionFailed, Unavailable } from "../core/errors.ts";
import { delayAfter } from "../core/retries.ts";
import { chunksOf, sleep, type Watch } from "../core/time.ts";
import { messagesIn } from "./sse.ts";

/** A silent stream sends a comment every 15 s. */
const SILENCE_MS = 45_000;
const DEFAULT_RETRY_MS = 2_000;

export interface StreamOptions {
  /** Start after the event with this id; of all jobs, after its `position`. Default: a job's first event; of all jobs, what happens from now on. */
  after?: number | string | undefined;
  /** Ends the stream; the iterator then throws the signal's reason. To end it quietly, leave the loop. */
  signal?: AbortSignal | undefined;
  /** How long the API may be out of reach before the iterator throws. Default: 10 minutes. */
  maxDowntimeMs?: number | undefined;
}

type Open = (lastId: string | undefined, signal: AbortSignal | undefined) => Promise<{ response: Response; watch: Watch }>;

/** Every event of a stream as parsed JSON, until the API says that there are no more (204). */
export async function* follow<T>(
  open: Open,
  options: StreamOptions,
  made = (data: unknown, _id: string) => data as T,
): AsyncGenerator<T> {
  const { signal, maxDowntimeMs = 600_000 } = options;
  let lastId = options.after === undefined ? undefined : String(options.after);
  let retryMs = DEFAULT_RETRY_MS;
  let downSince: number | undefined;
  let attempt = 0;
  while (true) {
    let failure: unknown;
    try {
      const { response, watch } = await open(lastId, signal);
      downSince = undefined;
      if (response.status === 204 || !response.body) {
        watch.end();
        return;
      }
      const chunks = chunksOf(response.body, watch, SILENCE_MS);
      for await (const message of messagesIn(chunks, (ms) => (retryMs = ms))) {
        attempt = 0;
        if (message.id) lastId = message.id;
        yield made(JSON.parse(message.data), lastId ?? "");
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ApiError && !(error instanceof Unavailable) && error.status !== 429) throw error;
      if (error instanceof SyntaxError) throw error;
      failure = error;
    }
    if (failure !== undefined && Date.now() - (downSince ??= Date.now()) > maxDowntimeMs) {
      throw failure instanceof ApiError
        ? failure
        : new ConnectionFailed(`the stream is lost: ${(failure as Error).message}`, { cause: failure });
    }
    // The stream of a job ends with the job: asking again at once gives 204.
    if (failure !== undefined || attempt > 0) {
      await sleep(attempt === 0 ? retryMs : Math.max(retryMs, delayAfter(null, attempt) ?? 0), signal);
    }
    attempt++;
  }
}
