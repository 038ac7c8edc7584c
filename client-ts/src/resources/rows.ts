import type { Arguments, CallOptions, Calls } from "../core/calls.ts";
import type { Pages } from "../core/pages.ts";
import { randomKey } from "../core/runtime.ts";
import { BULK_TIMEOUT_MS, type RequestOptions } from "../core/transport.ts";
import { type MadeFile, StoredFile } from "../files/stored_file.ts";
import type { CampaignOverview, CampaignRow, CampaignRowDetail, RowDecision } from "../types.ts";
import type { Jobs } from "./jobs.ts";
import { Results } from "./results.ts";

type Deciding =
  | "campaigns_approve"
  | "campaigns_reject"
  | "campaigns_reroll"
  | "campaigns_retry"
  | "campaigns_set"
  | "campaigns_cancel"
  | "campaigns_resume";
type Body = NonNullable<Arguments<"campaigns_retry">["body"]>;
type Filter = NonNullable<Arguments<"campaigns_rows">["query"]>;

/** Which rows: those that match everything that is given. `{ all: true }`: every row. */
export type RowChoice = Omit<Body, "dry_run" | "operation">;
/** Which rows to list. `numbers`: as a spreadsheet counts, such as "2-10,14". */
export type RowListOptions = RequestOptions & Omit<Filter, "cursor">;
/** Which videos, and the name of each, such as "{sku}_{ratio}.mp4". */
export type VideosOptions = NonNullable<Arguments<"campaigns_videos">["query"]>;
export interface DecideOptions extends CallOptions {
  /** Say what would be done and what it costs; do nothing. */
  dryRun?: boolean | undefined;
}
/** `comment`: kept with the review. */
export type ReviewOptions = DecideOptions & { comment?: string | undefined };

/** The rows of campaigns. A decision is carried out once, also if its answer is lost and it is sent again. */
export class Rows extends Results {
  readonly #calls: Calls;

  constructor(calls: Calls, jobs: Jobs) {
    super(calls, jobs);
    this.#calls = calls;
  }

  /** A campaign by its rows: states, reviews, reasons with advice, money. */
  async status(name: string, options: RequestOptions = {}): Promise<CampaignOverview> {
    return this.#calls.call("campaigns_status", { ...options, path: { name } });
  }

  /** The rows in the order of the sheet, each with the job that stands for it. */
  rows(name: string, options: RowListOptions = {}): Pages<CampaignRow> {
    const { signal, timeoutMs, maxRetries, ...query } = options;
    return this.#calls.pages("campaigns_rows", { signal, timeoutMs, maxRetries, path: { name }, query });
  }

  /** One row, with every job that was made for it. */
  async row(name: string, rowId: string, options: RequestOptions = {}): Promise<CampaignRowDetail> {
    return this.#calls.call("campaigns_row", { ...options, path: { name, row_id: rowId } });
  }

  /** Mark videos as wanted; of a draft, the final is made, which is billed. */
  async approve(name: string, choice: RowChoice, options: ReviewOptions = {}): Promise<RowDecision> {
    const { comment, ...rest } = options;
    return this.#decide("campaigns_approve", name, { ...choice, comment }, rest);
  }

  /** Mark videos as not wanted; they stay. */
  async reject(name: string, choice: RowChoice, options: ReviewOptions = {}): Promise<RowDecision> {
    const { comment, ...rest } = options;
    return this.#decide("campaigns_reject", name, { ...choice, comment }, rest);
  }

  /** Make rows again, with another seed or as the edited sheet asks; billed again. */
  async reroll(name: string, choice: RowChoice, options: DecideOptions = {}): Promise<RowDecision> {
    return this.#decide("campaigns_reroll", name, choice, options);
  }

  /** Enqueue rows again that failed or were cancelled; without a choice, all of them. */
  async retry(name: string, choice: RowChoice = {}, options: DecideOptions = {}): Promise<RowDecision> {
    return this.#decide("campaigns_retry", name, choice, options);
  }

  /** Change fields of rows that still wait; null: as if the field was not given. */
  async set(
    name: string,
    choice: RowChoice,
    fields: Arguments<"campaigns_set">["body"]["fields"],
    options: DecideOptions = {},
  ): Promise<RowDecision> {
    return this.#decide("campaigns_set", name, { ...choice, fields }, options);
  }

  /** Cancel rows that are free to cancel; `discard` also gives up submitted ones, which will be billed. */
  async cancelRows(name: string, choice: RowChoice, options: DecideOptions & { discard?: boolean } = {}): Promise<RowDecision> {
    const { discard, ...rest } = options;
    return this.#decide("campaigns_cancel", name, { ...chosen(choice), discard }, rest);
  }

  /** Submit rows that were kept back. */
  async resumeRows(name: string, choice: RowChoice, options: DecideOptions = {}): Promise<RowDecision> {
    return this.#decide("campaigns_resume", name, chosen(choice), options);
  }

  /** The videos of a campaign as one ZIP file: `.save(path)`, `.blob()`. */
  videos(name: string, options: VideosOptions = {}): MadeFile {
    return new StoredFile(this.#calls, "campaigns_videos", { name }, options, undefined, false);
  }

  async #decide(operation: Deciding, name: string, body: object, options: DecideOptions): Promise<RowDecision> {
    const { dryRun = false, timeoutMs = BULK_TIMEOUT_MS, idempotencyKey = await randomKey(), ...rest } = options;
    const asked = { ...body, ...(dryRun ? { dry_run: true } : {}) };
    return (await this.#calls.send(operation, { ...rest, timeoutMs, idempotencyKey, path: { name }, body: asked })) as RowDecision;
  }
}

/** The choice, which must not be empty: without one, these routes take the whole campaign. */
function chosen(choice: RowChoice): RowChoice {
  const given = Object.values(choice).some((value) => value && (!Array.isArray(value) || value.length > 0));
  if (!given) throw new TypeError("choose rows with rows, keys, ids, states, reviews or reasons, or all of them with all");
  return choice;
}
