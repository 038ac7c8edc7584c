import type { Arguments, CallOptions, Calls } from "../core/calls.ts";
import { fileBody } from "../core/bodies.ts";
import type { Pages } from "../core/pages.ts";
import { randomKey } from "../core/runtime.ts";
import { BULK_TIMEOUT_MS, type RequestOptions } from "../core/transport.ts";
import type { Expected } from "../files/save.ts";
import { StoredFile } from "../files/stored_file.ts";
import { follow, type StreamOptions } from "../streams/follow.ts";
import { type BatchReport, type Estimates, isHeld, type Job, type JobError, type JobEvent, type JobSpec, TERMINAL } from "../types.ts";
import type { components } from "../generated/schema.ts";
import type { Sheet } from "./sheets.ts";
import { type WaitOptions, waitFor } from "../core/waiting.ts";
import { type JobInput, type Uploads, withUploads } from "./uploads.ts";

/** Below the 60 s after which many proxies end a silent request. */
const LONG_POLL_S = 50;

type JobDocument = components["schemas"]["JobResource"];
export type JobFilter = Omit<NonNullable<Arguments<"jobs_list">["query"]>, "cursor">;

export class Jobs {
  readonly #calls: Calls;

  readonly #uploads: Uploads;

  constructor(calls: Calls, uploads: Uploads) {
    this.#calls = calls;
    this.#uploads = uploads;
  }

  /**
   * Store a job. It is sent with an idempotency key, yours or a random one: a lost answer costs nothing. Files in it are
   * uploaded first.
   */
  async create(spec: JobInput, options: CallOptions = {}): Promise<Job> {
    const body = await withUploads(spec, this.#uploads, options);
    return this.#job(await this.#calls.call("jobs_create", { ...options, body }));
  }

  /**
   * Store many jobs, all or none: an array, or a sheet with one job per row. With `partial`, the valid ones are stored and
   * the report names the others. Jobs in an array without an `idempotency_key` get a random one; a sheet is sent once.
   */
  async createMany(
    jobs: readonly JobInput[] | Sheet,
    options: RequestOptions & Arguments<"jobs_create_many">["query"] = {},
  ): Promise<BatchReport> {
    const { signal, timeoutMs = BULK_TIMEOUT_MS, maxRetries, ...query } = options;
    const shared = { signal, timeoutMs, maxRetries, query };
    if ("content" in jobs) {
      const content = await fileBody(jobs.content, { contentType: jobs.type });
      return (await this.#calls.send("jobs_create_many", { ...shared, content })) as BatchReport;
    }
    const batch = await randomKey();
    const body: JobSpec[] = [];
    for (const [at, job] of jobs.entries()) {
      const spec = await withUploads(job, this.#uploads, { signal });
      body.push({ ...spec, idempotency_key: job.idempotency_key ?? `${batch}-${at}` });
    }
    return (await this.#calls.send("jobs_create_many", { ...shared, body, repeatable: true })) as BatchReport;
  }

  async get(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#get(id, options, {});
  }

  /** Jobs, newest first. */
  list(filter: JobFilter = {}, options: RequestOptions = {}): Pages<Job> {
    return this.#calls.pages("jobs_list", { ...options, query: filter }, (job) => this.#job(job as JobDocument));
  }

  /** Cancel a job. A submitted one only with `discard`: it will be billed. */
  async cancel(id: string, options: RequestOptions & { discard?: boolean } = {}): Promise<Job> {
    const { discard = false, ...rest } = options;
    return this.#job(await this.#calls.call("jobs_cancel", { ...rest, path: { job_id: id }, body: { discard } }));
  }

  /** Enqueue a failed or cancelled job again, as a new one. */
  async retry(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#job(await this.#calls.call("jobs_retry", { ...options, path: { job_id: id } }));
  }

  /** Make the final of a draft, as a new job. */
  async finalize(id: string, fields: Arguments<"jobs_finalize">["body"] = {}, options: CallOptions = {}): Promise<Job> {
    return this.#job(await this.#calls.call("jobs_finalize", { ...options, path: { job_id: id }, body: fields }));
  }

  /** Decide about an unconfirmed job, after a look at the gateway. */
  async resolve(id: string, decision: Arguments<"jobs_resolve">["body"], options: RequestOptions = {}): Promise<Job> {
    return this.#job(await this.#calls.call("jobs_resolve", { ...options, path: { job_id: id }, body: decision }));
  }

  /** What a job would cost at each account. Stores nothing. */
  async estimate(spec: JobInput, options: RequestOptions = {}): Promise<Estimates> {
    const body = await withUploads(spec, this.#uploads, options);
    return this.#calls.call("jobs_estimate", { ...options, body });
  }

  /**
   * Wait until a job has succeeded, failed or was cancelled, or waits for a person (`isHeld`), and return it. It does not
   * throw for a failed job: look at `state` and `error`.
   */
  async wait(id: string, options: WaitOptions = {}): Promise<Job> {
    return waitFor(`job ${id}`, options, async (leftMs, request) => {
      const wait = Math.min(LONG_POLL_S, leftMs / 1_000);
      // The answer may come as late as the wait is long.
      const job = await this.#get(id, { ...request, timeoutMs: (wait + 30) * 1_000 }, { wait });
      return TERMINAL.has(job.state) || isHeld(job) ? { done: job } : { still: `still ${job.state}` };
    });
  }

  /** The events of a job, those so far and those to come, until it ends. Continues after a lost connection. */
  events(id: string, options: StreamOptions = {}): AsyncGenerator<JobEvent> {
    return follow((lastId, signal) => this.#calls.open("jobs_events", stream(lastId, signal, { path: { job_id: id } })), options);
  }

  /** The events of a job so far. */
  async timeline(id: string, options: RequestOptions = {}): Promise<JobEvent[]> {
    return (await this.#calls.call("jobs_timeline", { ...options, path: { job_id: id } })).data;
  }

  /** The video. `playable`: as every browser plays it; throws DownloadFailed while the copy is being made. */
  video(id: string, options: { playable?: boolean } = {}): StoredFile {
    const { playable = false } = options;
    return new StoredFile(this.#calls, "jobs_video", { job_id: id }, playable ? { playable: 1 } : {}, (request) =>
      this.#statedOf(id, request, playable),
    );
  }

  /** The first frame, a JPEG. */
  poster(id: string): StoredFile {
    return new StoredFile(this.#calls, "jobs_poster", { job_id: id }, {});
  }

  /** The last frame, if the job asked for `return_last_frame`. */
  lastFrame(id: string): StoredFile {
    return new StoredFile(this.#calls, "jobs_last_frame", { job_id: id }, {});
  }

  /** Make a copy of the video that every browser plays, unless it is one itself. */
  async makePlayable(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#job(await this.#calls.call("jobs_make_playable", { ...options, path: { job_id: id } }));
  }

  async #get(id: string, options: RequestOptions, query: { wait?: number }): Promise<Job> {
    return this.#job(await this.#calls.call("jobs_get", { ...options, path: { job_id: id }, query }));
  }

  #job(found: JobDocument): Job {
    const { video } = found.links;
    return { ...found, error: found.error as JobError | null, video_url: video ? this.#calls.transport.urlOf(video) : null };
  }

  async #statedOf(id: string, request: RequestOptions, playable: boolean): Promise<Expected> {
    const { signal, timeoutMs, maxRetries } = request;
    const job = await this.get(id, { signal, timeoutMs, maxRetries });
    // The job states length and hash of the original; a copy has others.
    return playable ? {} : { bytes: job.size_bytes, sha256: job.sha256 };
  }
}

/** The request of an event stream. */
export function stream(
  lastId: string | undefined,
  signal: AbortSignal | undefined,
  more: { path?: Record<string, string>; query?: Record<string, unknown> } = {},
) {
  return {
    signal,
    ...more,
    headers: { accept: "text/event-stream", ...(lastId === undefined ? {} : { "last-event-id": lastId }) },
  };
}
