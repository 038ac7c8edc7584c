/** One HTTP request, with its time limit and its retries. */
import { type Body, sendWithProgress } from "./bodies.ts";
import { ConnectionFailed, errorFrom } from "./errors.ts";
import { delayAfter, mayRepeat } from "./retries.ts";
import { sleep, Watch } from "./time.ts";

export interface TransportOptions {
  baseUrl: string;
  apiKey: string | undefined;
  fetch: typeof fetch;
  maxRetries: number;
  timeoutMs: number;
}

export interface RequestOptions {
  /** Aborts the request and its retries; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** For one attempt, until the whole answer has arrived (of files and streams: its head). Default: the client's. */
  timeoutMs?: number | undefined;
  /** Attempts after the first. Default: the client's. */
  maxRetries?: number | undefined;
}

/** The default for files and for many rows: the API takes up to ten minutes for them. */
export const BULK_TIMEOUT_MS = 600_000;

export interface HttpRequest extends RequestOptions {
  method: string;
  /** With its query. */
  path: string;
  headers?: Record<string, string>;
  body?: Body | undefined;
  /** It changes something, but may be sent twice. */
  repeatable?: boolean;
  redirect?: "manual";
}

export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The address of a path of the API. */
  urlOf(path: string): string {
    return this.#options.baseUrl + path;
  }

  /** The whole answer as text. Throws an ApiError for a refusal, a ConnectionFailed without an answer. */
  async text(request: HttpRequest): Promise<{ response: Response; text: string }> {
    return this.#repeat(request, async (response) => ({ response, text: await response.text() }));
  }

  /** An answer whose body is read by the caller, with the watch that ends it. */
  async open(request: HttpRequest): Promise<{ response: Response; watch: Watch }> {
    return this.#repeat(request, async (response, watch) => {
      watch.allow(Infinity);
      return { response, watch };
    }, true);
  }

  async #repeat<T>(
    request: HttpRequest,
    read: (response: Response, watch: Watch) => Promise<T>,
    keepOpen = false,
  ): Promise<T> {
    const again =
      mayRepeat(request.method, request.repeatable ?? false) && (request.body?.reopens ?? true)
        ? (request.maxRetries ?? this.#options.maxRetries)
        : 0;
    for (let attempt = 0; ; attempt++) {
      const watch = new Watch(request.signal);
      let refused: Response | null = null;
      let failure: unknown;
      let open = false;
      try {
        watch.allow(request.timeoutMs ?? this.#options.timeoutMs);
        const response = await this.#send(request, watch);
        if (response.ok || response.status === 304 || response.type === "opaqueredirect" || isRedirect(response)) {
          const found = await read(response, watch);
          open = keepOpen;
          return found;
        }
        refused = response;
        failure = errorFrom(response, await response.text());
      } catch (error) {
        request.signal?.throwIfAborted();
        refused = null;
        failure = this.#lost(request, error, watch);
      } finally {
        if (!open) watch.release();
      }
      const delay = attempt < again ? delayAfter(refused, attempt) : null;
      if (delay === null) throw failure;
      await sleep(delay, request.signal);
    }
  }

  #send(request: HttpRequest, watch: Watch): Promise<Response> {
    const { apiKey } = this.#options;
    const headers: Record<string, string> = {
      accept: "application/json",
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      ...(request.body?.type ? { "content-type": request.body.type } : {}),
      ...request.headers,
    };
    const init: RequestInit = { method: request.method, headers, signal: watch.signal, redirect: request.redirect ?? "follow" };
    const url = this.urlOf(request.path);
    return request.body ? sendWithProgress(this.#options.fetch, url, init, request.body) : this.#options.fetch(url, init);
  }

  #lost(request: HttpRequest, error: unknown, watch: Watch): Error {
    const reason = watch.expired ? (watch.signal.reason as Error).message : causeOf(error);
    const what = `${request.method} ${this.urlOf(request.path).split("?")[0]}`;
    return new ConnectionFailed(`${what}: no answer: ${reason}`, { cause: error });
  }
}

function isRedirect(response: Response): boolean {
  return response.status >= 300 && response.status < 400;
}

/** The most precise message: Node's fetch only says "fetch failed", its cause says why. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return cause.message || String((cause as { code?: unknown }).code ?? error.message);
}
