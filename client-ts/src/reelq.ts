import type { Answer, Arguments, CallOptions, Operation } from "./core/calls.ts";
import { Calls } from "./core/calls.ts";
import { ConfigurationError } from "./core/errors.ts";
import { environment } from "./core/runtime.ts";
import { Transport } from "./core/transport.ts";
import { Accounts } from "./resources/accounts.ts";
import { Campaigns } from "./resources/campaigns.ts";
import { Jobs, stream } from "./resources/jobs.ts";
import { Keys } from "./resources/keys.ts";
import { Uploads } from "./resources/uploads.ts";
import { Webhooks } from "./resources/webhooks.ts";
import { follow, type StreamOptions } from "./streams/follow.ts";
import type { Event } from "./types.ts";

/** Which events: of a campaign; of jobs that came into one of these states; of jobs with all of these tags. */
export type EventOptions = StreamOptions & Pick<NonNullable<Arguments<"events_stream">["query"]>, "campaign" | "state" | "tag">;

export interface ReelqOptions {
  /** Where the API is, without `/v1`. Default: `REELQ_API_URL`. In browsers also a path of the page's own site. */
  baseUrl?: string | undefined;
  /** Default: `REELQ_API_KEY`. Programs on the API's machine may need none. */
  apiKey?: string | undefined;
  /** For one attempt at a request. Default: 60 s. */
  timeoutMs?: number;
  /** Attempts after the first. Default: 4. */
  maxRetries?: number;
  /** Used instead of the runtime's own, for example with a proxy. */
  fetch?: typeof fetch;
}

/** A client of the reelq API. It keeps nothing open between requests. */
export class Reelq {
  readonly jobs: Jobs;
  readonly campaigns: Campaigns;
  readonly uploads: Uploads;
  readonly webhooks: Webhooks;
  readonly accounts: Accounts;
  readonly keys: Keys;
  readonly #calls: Calls;

  constructor(options: ReelqOptions = {}) {
    const key = options.apiKey ?? environment("REELQ_API_KEY");
    this.#calls = new Calls(
      new Transport({
        baseUrl: checkedUrl(options.baseUrl ?? environment("REELQ_API_URL")),
        apiKey: key === undefined ? undefined : checkedKey(key),
        // Browsers refuse a fetch that is called as a method of another object.
        fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
        timeoutMs: options.timeoutMs ?? 60_000,
        maxRetries: options.maxRetries ?? 4,
      }),
    );
    this.uploads = new Uploads(this.#calls);
    this.jobs = new Jobs(this.#calls, this.uploads);
    this.campaigns = new Campaigns(this.#calls, this.jobs);
    this.webhooks = new Webhooks(this.#calls);
    this.accounts = new Accounts(this.#calls);
    this.keys = new Keys(this.#calls);
  }

  /** The events of all jobs, each with its job, from now on or after a position. Continues after a lost connection, without a gap; never ends. */
  events(options: EventOptions = {}): AsyncGenerator<Event> {
    const { campaign, state, tag, ...rest } = options;
    const query = { campaign, state, tag };
    return follow(
      (lastId, signal) => this.#calls.open("events_stream", stream(lastId, signal, { query })),
      rest,
      (data, position) => ({ ...(data as Omit<Event, "position">), position }),
    );
  }

  /** Any route of the API, by its operation id in /openapi.json, with the types of its parameters and its answer. */
  async call<O extends Operation>(operation: O, given: Arguments<O> & CallOptions): Promise<Answer<O>> {
    return this.#calls.call(operation, given);
  }
}

function checkedUrl(given: string | undefined): string {
  const url = given?.trim().replace(/\/+$/, "");
  if (url === undefined || (url === "" && given !== "/")) {
    throw new ConfigurationError("baseUrl is missing: pass it, or set REELQ_API_URL");
  }
  if (!/^(https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?|\/[^\s?#]*|)$/.test(url)) {
    throw new ConfigurationError(`baseUrl must be like https://reelq.example, without a query and a password`);
  }
  if (/\/v1$/.test(url)) throw new ConfigurationError("baseUrl must end before /v1");
  return url;
}

function checkedKey(given: string): string {
  const key = given.trim();
  // Never with the key: this message may be logged.
  if (!/^[\x21-\x7e]+$/.test(key)) throw new ConfigurationError("apiKey must be one word without special characters");
  return key;
}
