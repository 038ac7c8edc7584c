export { type EventOptions, Reelq, type ReelqOptions } from "./reelq.ts";
export { verifyWebhook, type HeadersLike, type WebhookEvent } from "./webhook.ts";
export {
  ApiError,
  ConfigurationError,
  ConnectionFailed,
  DownloadFailed,
  type FieldError,
  IdempotencyConflict,
  InvalidRequest,
  NotAllowed,
  NotAuthenticated,
  NotFound,
  NotPossible,
  type Problem,
  ReelqError,
  ServerError,
  TooManyRequests,
  Unavailable,
  WaitTimeout,
  WebhookVerificationError,
} from "./core/errors.ts";
export { Pages, type Page } from "./core/pages.ts";
export type { Progress, Source } from "./core/bodies.ts";
export type { Answer, Arguments, CallOptions, Operation } from "./core/calls.ts";
export type { RequestOptions } from "./core/transport.ts";
export type { DownloadOptions, MadeFile, StoredFile } from "./files/stored_file.ts";
export type { Jobs, JobFilter } from "./resources/jobs.ts";
export type { WaitOptions } from "./core/waiting.ts";
export type { Campaigns, ErrorsOptions, ManifestLine, PlanOptions, Row, RunOptions, Shaped } from "./resources/campaigns.ts";
export type { Accounts } from "./resources/accounts.ts";
export type { Keys } from "./resources/keys.ts";
export type { CampaignDownloadOptions, ExportOptions, RowFilter, SheetOptions } from "./resources/results.ts";
export type { DecideOptions, ReviewOptions, RowChoice, RowListOptions, VideosOptions } from "./resources/rows.ts";
export type { MessageFilter, Webhooks } from "./resources/webhooks.ts";
export type { JobInput, Media, UploadOptions, Uploads } from "./resources/uploads.ts";
export { sheetOf, type Sheet } from "./resources/sheets.ts";
export type { StreamOptions } from "./streams/follow.ts";
export * from "./types.ts";
export type { components, operations } from "./generated/schema.ts";
