/** The API's documents by their names, as /openapi.json has them. */
import type { components } from "./generated/schema.ts";

type Schemas = components["schemas"];

/** What a job asks for; docs/jobs.md has every field. A final has its draft's prompt. */
export type JobSpec = Schemas["JobSpec"] & ({ prompt: string } | { draft_of: string });
export type JobState = Schemas["JobState"];
/** Why a job failed. */
export interface JobError {
  /** As docs/reasons.md lists them. */
  code: string;
  message: string;
  [detail: string]: unknown;
}
export type Job = Omit<Schemas["JobResource"], "error"> & {
  error: JobError | null;
  /** Leads to the video, with the client's key; null: there is none yet, or no longer. `jobs.video(id)` fetches it. */
  video_url: string | null;
};
export type JobEvent = Schemas["JobEvent"];
/** A job beside its event, as it was when the event was sent, without its request. */
export type EventJob = Pick<
  Schemas["JobResource"],
  | "id"
  | "state"
  | "campaign"
  | "idempotency_key"
  | "priority"
  | "tags"
  | "metadata"
  | "account"
  | "gateway"
  | "model"
  | "attempt"
  | "error"
  | "cost"
  | "seed"
  | "created_at"
  | "updated_at"
  | "finished_at"
  | "links"
>;
/** One event of all events. Keep `position`, and give it as `after`, to continue there. */
export type Event = JobEvent & { job: EventJob; position: string };
export type BatchReport = Schemas["BatchReport"];
export type Estimates = Schemas["Estimates"];
export type Campaign = Schemas["CampaignResource"];
export type CampaignPlan = Schemas["PlanResource"];
export type CampaignOverview = Schemas["CampaignOverview"];
export type CampaignRow = Schemas["CampaignRow"];
export type CampaignRowDetail = Schemas["CampaignRowDetail"];
export type RowDecision = Schemas["RowDecision"];
export type CancelledCampaign = Schemas["CancelledCampaign"];
export type StoredCampaign = Schemas["StoredCampaign"];
export type Decision = Schemas["DecisionResource"];
export type Endpoint = Schemas["EndpointResource"];
export type WebhookMessage = Schemas["MessageResource"];
export type Key = Schemas["KeyResource"];
export type Purse = Schemas["PurseResource"];
export type Account = Schemas["AccountResource"];
export type Upload = Schemas["UploadResource"];
export type Share = Schemas["ShareResource"];
export type NewShare = Schemas["NewShare"];
/** A row of a campaign's sheet and the job that stands for it; `columns`: its cells by the names of the columns. */
export interface ResultRow extends Omit<Schemas["JobResource"], "links" | "finals"> {
  row: number;
  sheet: number;
  variant: string;
  key: string | null;
  columns: Record<string, unknown>;
  versions: number;
  review: { state: Schemas["Review"]; at: string | null; by: string | null; comment: string | null };
  video_url: string | null;
  poster_url: string | null;
}

/** States that a job never leaves. */
export const TERMINAL: ReadonlySet<JobState> = new Set<JobState>(["succeeded", "failed", "cancelled"]);

/** Whether a job waits for a person: it is unknown whether the gateway accepted it (`reelq jobs resolve`). */
export function isHeld(job: Job): boolean {
  return job.state === "unconfirmed" && job.reason === "held";
}
