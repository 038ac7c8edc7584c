/** What can go wrong, as errors that say what to do about it. */
import type { components } from "../generated/schema.ts";

export type Problem = components["schemas"]["ProblemDetails"];
export type FieldError = components["schemas"]["FieldError"];

/** Every error of this package. */
export class ReelqError extends Error {
  override name = "ReelqError"; // written out, because minifiers change the names of classes
}

/** The URL of the API is missing, or a value cannot be used. */
export class ConfigurationError extends ReelqError {
  override name = "ConfigurationError";
}

/** The API could not be reached, or its answer was lost. */
export class ConnectionFailed extends ReelqError {
  override name = "ConnectionFailed";
}

/** A job or a campaign did not finish in time; it continues. */
export class WaitTimeout extends ReelqError {
  override name = "WaitTimeout";
}

/** A file could not be downloaded whole. */
export class DownloadFailed extends ReelqError {
  override name = "DownloadFailed";
}

/** A webhook is not from reelq, or too old. */
export class WebhookVerificationError extends ReelqError {
  override name = "WebhookVerificationError";
}

/** The API refused. `problem` holds its problem details (RFC 9457). */
export class ApiError extends ReelqError {
  override name = "ApiError";
  readonly status: number;
  readonly problem: Problem;
  /** Finds the request in the server's log; null: something in front of the API answered. */
  readonly requestId: string | null;
  /** When to try again, in seconds; null: the API does not say. */
  readonly retryAfterSeconds: number | null;

  constructor(status: number, problem: Problem, headers: Headers) {
    super(`${problem.detail || problem.title} (${problem.code}, HTTP ${status})`);
    this.status = status;
    this.problem = problem;
    this.requestId = headers.get("x-request-id");
    this.retryAfterSeconds = retryAfterSeconds(headers);
  }

  /** What is wrong, in one word; codes never change. */
  get code(): string {
    return this.problem.code;
  }

  /** What is wrong, in a sentence. */
  get detail(): string {
    return this.problem.detail;
  }

  /** What to do about it; may be empty. */
  get advice(): string {
    return this.problem.advice ?? "";
  }

  /** Every field that is wrong. */
  get errors(): FieldError[] {
    return this.problem.errors ?? [];
  }
}

/** 400, 408, 413, 415, 422, 431: a field, a parameter or the body is not valid; `errors` names the fields. */
export class InvalidRequest extends ApiError {
  override name = "InvalidRequest";
}

/** 422: the idempotency key is known with another request. */
export class IdempotencyConflict extends InvalidRequest {
  override name = "IdempotencyConflict";
}

/** 401: a key is needed, or the key is unknown, revoked or expired. */
export class NotAuthenticated extends ApiError {
  override name = "NotAuthenticated";
}

/** 403: the key may not do this. */
export class NotAllowed extends ApiError {
  override name = "NotAllowed";
}

/** 404: the tenant has nothing with that id or name. */
export class NotFound extends ApiError {
  override name = "NotFound";
}

/** 409: not possible in the current state; `detail` says why. */
export class NotPossible extends ApiError {
  override name = "NotPossible";
}

/** 429: try again after `retryAfterSeconds`. */
export class TooManyRequests extends ApiError {
  override name = "TooManyRequests";
}

/** 5xx: the API failed. */
export class ServerError extends ApiError {
  override name = "ServerError";
}

/** 502, 503, 504: the API does not answer now; try again later. */
export class Unavailable extends ServerError {
  override name = "Unavailable";
}

const BY_STATUS: Record<number, typeof ApiError> = {
  400: InvalidRequest,
  401: NotAuthenticated,
  403: NotAllowed,
  404: NotFound,
  408: InvalidRequest,
  409: NotPossible,
  413: InvalidRequest,
  415: InvalidRequest,
  422: InvalidRequest,
  429: TooManyRequests,
  431: InvalidRequest,
  502: Unavailable,
  503: Unavailable,
  504: Unavailable,
};

/** The error in an answer; `text` is its body. */
export function errorFrom(response: Response, text: string): ApiError {
  const problem = problemIn(text) ?? {
    type: "about:blank",
    title: response.statusText || "Error",
    status: response.status,
    detail: `${new URL(response.url || "http://unknown").host} answered HTTP ${response.status}, not in reelq's form`,
    code: "unknown",
    error: { message: text.slice(0, 500), type: "server_error" as const, code: "unknown", param: null },
  };
  const kind =
    problem.code === "idempotency_conflict"
      ? IdempotencyConflict
      : (BY_STATUS[response.status] ?? (response.status >= 500 ? ServerError : ApiError));
  return new kind(response.status, problem, response.headers);
}

function problemIn(text: string): Problem | null {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && "code" in found && "detail" in found ? (found as Problem) : null;
  } catch {
    return null;
  }
}

/** What `Retry-After` says, in seconds: a number, or a date. Null: missing, or neither. */
export function retryAfterSeconds(headers: Headers): number | null {
  const text = headers.get("retry-after")?.trim();
  if (!text) return null;
  if (/^\d+$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, (at - Date.now()) / 1000);
}
