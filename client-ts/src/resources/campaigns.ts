import type { Arguments, Calls } from "../core/calls.ts";
import { fileBody } from "../core/bodies.ts";
import type { Pages } from "../core/pages.ts";
import { chunksOf, sleep } from "../core/time.ts";
import { BULK_TIMEOUT_MS, type RequestOptions } from "../core/transport.ts";
import type { Campaign, CampaignPlan, CancelledCampaign, Decision, JobSpec, StoredCampaign } from "../types.ts";
import { type WaitOptions, waitFor } from "../core/waiting.ts";
import type { Jobs } from "./jobs.ts";
import { Rows } from "./rows.ts";
import type { Sheet } from "./sheets.ts";

const POLL_MS = 5_000;
/** The scheduler settles budgets every second; without one, a campaign does not wait for it. */
const SETTLE_POLL_MS = 1_000;
const SETTLES_WITHIN_MS = 10_000;
const IDLE_MS = 60_000;

/** A row that a template, a prompt with `{{ column }}`, a mapping or a key makes a job of. */
export type Row = Record<string, unknown>;
type Terms<O extends "campaigns_create" | "campaigns_plan" | "campaigns_plan_errors"> = RequestOptions &
  Omit<NonNullable<Arguments<O>["query"]>, "name" | "dry_run">;
export type RunOptions = Terms<"campaigns_create">;
export type PlanOptions = Terms<"campaigns_plan"> & { name?: string };
export type ErrorsOptions = Terms<"campaigns_plan_errors">;
/** Says how rows with columns of your own become jobs. */
export type Shaped = { prompt: string } | { template: string } | { map: string[] } | { key: string };
/** One job of a campaign, with where its video is. */
export type ManifestLine = Record<string, unknown> & { id: string; state: string; video_url?: string | null };

export class Campaigns extends Rows {
  readonly #calls: Calls;

  constructor(calls: Calls, jobs: Jobs) {
    super(calls, jobs);
    this.#calls = calls;
  }

  /** Everything that can be known before money is spent: bad rows, cost, what a budget pays for. Stores nothing. */
  plan(rows: readonly JobSpec[] | Sheet, options?: PlanOptions): Promise<CampaignPlan>;
  plan(rows: readonly Row[], options: PlanOptions & Shaped): Promise<CampaignPlan>;
  async plan(rows: readonly unknown[] | Sheet, options: PlanOptions = {}): Promise<CampaignPlan> {
    return (await this.#rows("campaigns_plan", rows, options)) as CampaignPlan;
  }

  /** A copy of a sheet with the reason beside each bad row, as a workbook, or JSONL for JSONL, unless `format` says CSV. Stores nothing. */
  async planErrors(sheet: Sheet, options: ErrorsOptions = {}): Promise<Uint8Array> {
    const { signal, timeoutMs = BULK_TIMEOUT_MS, maxRetries, ...query } = options;
    const content = await fileBody(sheet.content, { contentType: sheet.type });
    const { response, watch } = await this.#calls.open("campaigns_plan_errors", { signal, timeoutMs, maxRetries, query, content });
    try {
      return new Uint8Array(await response.arrayBuffer());
    } finally {
      watch.end();
    }
  }

  /** Store a campaign, one job per row, all or none. The same rows again are the same jobs; new rows are added. */
  run(name: string, rows: readonly JobSpec[] | Sheet, options?: RunOptions): Promise<StoredCampaign>;
  run(name: string, rows: readonly Row[], options: RunOptions & Shaped): Promise<StoredCampaign>;
  async run(name: string, rows: readonly unknown[] | Sheet, options: RunOptions = {}): Promise<StoredCampaign> {
    return (await this.#rows("campaigns_create", rows, { ...options, name })) as StoredCampaign;
  }

  async get(name: string, options: RequestOptions = {}): Promise<Campaign> {
    return this.#calls.call("campaigns_get", { ...options, path: { name } });
  }

  /** Campaigns, newest first. */
  list(options: RequestOptions & { limit?: number } = {}): Pages<Campaign> {
    const { limit, ...rest } = options;
    return this.#calls.pages("campaigns_list", { ...rest, query: { limit } });
  }

  /** Set its budget (`"100 CNY"`; null: no limit), weight, pace, and who gets mail (`notify`; null: those whom the tenant names). */
  async update(name: string, change: Arguments<"campaigns_update">["body"], options: RequestOptions = {}): Promise<Campaign> {
    return this.#calls.call("campaigns_update", { ...options, path: { name }, body: change });
  }

  /** Stop submitting its jobs; submitted ones continue. */
  async pause(name: string, options: RequestOptions = {}): Promise<Campaign> {
    return this.#calls.call("campaigns_pause", { ...options, path: { name } });
  }

  async resume(name: string, options: RequestOptions = {}): Promise<Campaign> {
    return (await this.#calls.call("campaigns_resume", { ...options, path: { name } })) as Campaign;
  }

  /** Cancel each of its jobs. Submitted ones only with `discard`: they will be billed. */
  async cancel(name: string, options: RequestOptions & { discard?: boolean } = {}): Promise<CancelledCampaign> {
    const { discard = false, ...rest } = options;
    return (await this.#calls.call("campaigns_cancel", { ...rest, path: { name }, body: { discard } })) as CancelledCampaign;
  }

  /** Wait until all of its jobs have ended and its budget has their costs. Jobs that wait for a person keep it open. */
  async wait(name: string, options: WaitOptions = {}): Promise<Campaign> {
    let endedAt: number | undefined;
    return waitFor(`campaign ${name}`, options, async (leftMs, request) => {
      const campaign = await this.get(name, request);
      const ended = campaign.finished >= campaign.total;
      if (ended) {
        endedAt ??= Date.now();
        if (!campaign.budget?.reserved || Date.now() - endedAt >= SETTLES_WITHIN_MS) return { done: campaign };
      }
      await sleep(Math.min(ended ? SETTLE_POLL_MS : POLL_MS, leftMs), request.signal);
      return { still: `${campaign.finished} of ${campaign.total} jobs have ended` };
    });
  }

  /** Every job of a campaign, with a link to its video that works for `linkSeconds` (a day). */
  async *manifest(name: string, options: RequestOptions & { linkSeconds?: number } = {}): AsyncGenerator<ManifestLine> {
    const { linkSeconds, ...rest } = options;
    const query = linkSeconds === undefined ? {} : { link_seconds: linkSeconds };
    const { response, watch } = await this.#calls.open("campaigns_manifest", {
      ...rest,
      path: { name },
      query,
      headers: { accept: "application/x-ndjson" },
    });
    const decoder = new TextDecoder();
    let text = "";
    if (!response.body) return;
    for await (const chunk of chunksOf(response.body, watch, IDLE_MS)) {
      const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) if (line) yield JSON.parse(line) as ManifestLine;
    }
    if (text) yield JSON.parse(text) as ManifestLine;
  }

  /** Who paused, resumed, cancelled or changed it, newest first. */
  decisions(name: string, options: RequestOptions = {}): Pages<Decision> {
    return this.#calls.pages("campaigns_decisions", { ...options, path: { name } });
  }

  async #rows(
    operation: "campaigns_create" | "campaigns_plan",
    rows: readonly unknown[] | Sheet,
    options: (RunOptions | PlanOptions) & { name?: string },
  ): Promise<unknown> {
    const { signal, timeoutMs = BULK_TIMEOUT_MS, maxRetries, ...query } = options;
    const shared = { signal, timeoutMs, maxRetries, query };
    if (!("content" in rows)) return this.#calls.send(operation, { ...shared, body: rows });
    return this.#calls.send(operation, { ...shared, content: await fileBody(rows.content, { contentType: rows.type }) });
  }
}
