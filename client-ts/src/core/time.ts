/** Waiting, and limits on waiting. */

/** Wait, unless the signal aborts: then reject with its reason. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** A signal that aborts with another one, or when nothing has happened for a time. */
export class Watch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #stop = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it aborted because the time was over. */
  expired = false;

  constructor(outer?: AbortSignal) {
    this.#outer = outer;
    outer?.throwIfAborted();
    outer?.addEventListener("abort", this.#stop, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Allow this much time from now on; Infinity, or more than a timer can count (25 days): no limit. */
  allow(ms: number): void {
    clearTimeout(this.#timer);
    if (ms >= 2 ** 31) return;
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#controller.abort(new Error(`nothing arrived for ${ms / 1000} s`));
    }, ms);
  }

  /** Abort, and let go of the other signal. */
  end(): void {
    this.release();
    this.#controller.abort(new Error("no longer needed"));
  }

  /** Let go of the other signal and the timer, without aborting. */
  release(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#stop);
  }
}

/** The chunks of a body. Ends the connection if the reader stops early; fails if none arrives for `idleMs`. */
export async function* chunksOf(body: ReadableStream<Uint8Array>, watch: Watch, idleMs: number): AsyncGenerator<Uint8Array> {
  // A reader, because Safari's streams cannot be iterated.
  const reader = body.getReader();
  try {
    while (true) {
      watch.allow(idleMs);
      const { done, value } = await reader.read();
      watch.allow(Infinity);
      if (done) return;
      yield value;
    }
  } finally {
    watch.end();
    await reader.cancel().catch(() => undefined);
  }
}
