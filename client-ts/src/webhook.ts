/** Verification of webhooks, as Standard Webhooks describes it, with Web Crypto alone. */
import { WebhookVerificationError } from "./core/errors.ts";
import { webCrypto } from "./core/runtime.ts";
import type { Campaign, Job } from "./types.ts";

const TOLERANCE_S = 300;

type Event<T extends string, D> = {
  type: T;
  /** When it happened. */
  timestamp: string;
  data: D;
};
/** What is sent to a webhook; tell them apart by `type`. */
export type WebhookEvent =
  | Event<"job.succeeded" | "job.failed" | "job.cancelled" | "job.unconfirmed", Omit<Job, "video_url">>
  | Event<"campaign.finished", Omit<Campaign, "paused_at" | "weight" | "budget">>
  | Event<"webhook.test", Record<string, unknown>>;

/** Headers as frameworks give them: a Headers object, or an object in any case (Node, Express, Lambda). */
export type HeadersLike = Headers | Record<string, string | string[] | undefined>;

/**
 * The event in a delivery. `body` must be as it arrived, before it is parsed; `secret` is that of the endpoint or of the
 * tenant, or several while it is being replaced.
 *
 * Throws a WebhookVerificationError if it is not from reelq, or more than five minutes old.
 */
export async function verifyWebhook(
  body: string | ArrayBuffer | ArrayBufferView,
  headers: HeadersLike,
  secret: string | readonly string[],
): Promise<WebhookEvent> {
  const id = header(headers, "webhook-id");
  const sentAt = header(headers, "webhook-timestamp");
  const given = header(headers, "webhook-signature");
  if (!/^\d+$/.test(sentAt)) throw new WebhookVerificationError("webhook-timestamp is not a number of seconds");
  if (Math.abs(Date.now() / 1_000 - Number(sentAt)) > TOLERANCE_S) {
    throw new WebhookVerificationError("the webhook is more than five minutes old or early; check the clock");
  }
  const content = bytesOf(body);
  const signed = concatenated(new TextEncoder().encode(`${id}.${sentAt}.`), content);
  const signatures = given.split(" ").filter((one) => one.startsWith("v1,")).map((one) => decoded(one.slice(3)));
  const secrets = typeof secret === "string" ? secret.split(/\s+/).filter(Boolean) : secret;
  if (secrets.length === 0) throw new WebhookVerificationError("the secret is empty");
  const { subtle } = await webCrypto();
  let fits = false;
  for (const one of secrets) {
    const raw = decoded(one.replace(/^whsec_/, ""));
    if (raw === null || raw.length === 0) throw new WebhookVerificationError("the secret is not whsec_ and base64");
    const key = await subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of signatures) {
      // verify() compares in constant time.
      if (signature !== null && (await subtle.verify("HMAC", key, signature, signed))) fits = true;
    }
  }
  if (!fits) throw new WebhookVerificationError("the signature does not fit: is it the right secret, and the body as it arrived?");
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content)) as WebhookEvent;
  } catch (error) {
    throw new WebhookVerificationError("the body is not JSON", { cause: error });
  }
}

function header(headers: HeadersLike, name: string): string {
  const found =
    "get" in headers && typeof headers.get === "function"
      ? (headers as Headers).get(name)
      : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  const value = Array.isArray(found) ? found.join(" ") : found;
  if (!value) throw new WebhookVerificationError(`the header ${name} is missing`);
  return value;
}

function bytesOf(body: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw new WebhookVerificationError("the body must be text or bytes as they arrived, not a parsed object");
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** The bytes of base64; null: it is not base64. */
function decoded(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
