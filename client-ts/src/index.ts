export { Reelq, type ReelqOptions } from "./reelq.js";
export { verifyWebhook, type HeadersLike, type WebhookEvent } from "./webhook.js";
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
} from "./core/errors.js";
export { Pages, type Page } from "./core/pages.js";
export type { Progress, Source } from "./core/bodies.js";
export type { Answer, Arguments, CallOptions, Operation } from "./core/calls.js";
export type { RequestOptions } from "./core/transport.js";
export type { DownloadOptions, StoredFile } from "./files/stored_file.js";
export type { Jobs, JobFilter, WaitOptions } from "./resources/jobs.js";
export type { Campaigns, ManifestLine, PlanOptions, Row, RunOptions, Shaped } from "./resources/campaigns.js";
export type { MessageFilter, Webhooks } from "./resources/webhooks.js";
export type { JobInput, Media, Upload, UploadOptions, Uploads } from "./resources/uploads.js";
export { sheetOf, type Sheet } from "./resources/sheets.js";
export type { StreamOptions } from "./streams/follow.js";
export * from "./types.js";
export type { components, operations } from "./generated/schema.js";
