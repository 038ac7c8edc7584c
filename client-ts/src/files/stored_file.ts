/** A file of the API: of a job its video, its poster or its last frame; of a campaign its export or its sheet. */
import type { Calls, Operation } from "../core/calls.ts";
import type { Progress } from "../core/bodies.ts";
import { DownloadFailed } from "../core/errors.ts";
import { inBrowser } from "../core/runtime.ts";
import type { RequestOptions } from "../core/transport.ts";
import { chunksOf, type Watch } from "../core/time.ts";
import { type Expected, saveFile } from "./save.ts";

const IDLE_MS = 60_000;

export interface DownloadOptions extends RequestOptions {
  onProgress?: Progress | undefined;
}

/** A file that the API makes itself: it has no link. */
export type MadeFile = Omit<StoredFile, "link">;

export class StoredFile {
  readonly #calls: Calls;
  readonly #operation: Operation;
  readonly #path: Record<string, string>;
  readonly #inBucket: boolean;
  readonly #query: Record<string, unknown>;
  readonly #expected: (options: RequestOptions) => Promise<Expected>;

  constructor(
    calls: Calls,
    operation: Operation,
    path: Record<string, string>,
    query: Record<string, unknown>,
    expected: (options: RequestOptions) => Promise<Expected> = async () => ({}),
    inBucket = true,
  ) {
    this.#calls = calls;
    this.#operation = operation;
    this.#path = path;
    this.#inBucket = inBucket;
    this.#query = query;
    this.#expected = expected;
  }

  /**
   * Save it under a path (Node only), and return how many bytes it has. A broken download continues where it stopped,
   * also in another run; length and SHA-256 are checked where the job states them. Until then the file is `PATH.part`.
   */
  async save(path: string | URL, options: DownloadOptions = {}): Promise<number> {
    return saveFile((headers) => this.#open(headers, options), await this.#expected(options), path, options, IDLE_MS);
  }

  /** The answer of the API or of the store, for streaming: `response.body`. `range`: as in HTTP, such as `bytes=0-99`. */
  async response(options: RequestOptions & { range?: string } = {}): Promise<Response> {
    return (await this.#open(options.range === undefined ? {} : { range: options.range }, options)).response;
  }

  /** The whole file in memory. */
  async blob(options: DownloadOptions = {}): Promise<Blob> {
    const { response, watch } = await this.#open({}, options);
    const total = Number(response.headers.get("content-length")) || null;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of chunksOf(response.body ?? new Blob([]).stream(), watch, IDLE_MS)) {
      parts.push(chunk);
      options.onProgress?.((bytes += chunk.byteLength), total);
    }
    return new Blob(parts as BlobPart[], { type: response.headers.get("content-type") ?? "" });
  }

  /** A link that works for an hour, without a key. Not in browsers: they hide where a redirect leads. */
  async link(options: RequestOptions = {}): Promise<string> {
    const { response, watch } = await this.#calls.open(this.#operation, {
      ...options,
      path: this.#path,
      query: { ...this.#query, proxy: 0 },
      redirect: "manual",
    });
    watch.end();
    const location = response.headers.get("location");
    if (location === null) throw new DownloadFailed("the API gave no link: browsers hide where a redirect leads");
    return location;
  }

  async #open(headers: Record<string, string>, options: RequestOptions): Promise<{ response: Response; watch: Watch }> {
    const opened = await this.#calls.open(this.#operation, {
      ...options,
      path: this.#path,
      // A browser reads from the store only if the store allows this site.
      query: inBrowser && this.#inBucket ? { ...this.#query, proxy: 1 } : this.#query,
      headers: { accept: "*/*", ...headers },
    });
    if (opened.response.status !== 202) return opened;
    opened.watch.end();
    throw new DownloadFailed("the playable copy is being made; try again in a few seconds");
  }
}
