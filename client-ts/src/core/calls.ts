/** Every route of the API by its operation id, with its types from /openapi.json. */
import { KEYED, ROUTES } from "../generated/routes.ts";
import type { operations } from "../generated/schema.ts";
import { type Body, jsonBody } from "./bodies.ts";
import { ConfigurationError } from "./errors.ts";
import { type Page, Pages } from "./pages.ts";
import { randomKey } from "./runtime.ts";
import type { HttpRequest, RequestOptions, Transport } from "./transport.ts";
import type { Watch } from "./time.ts";

export type Operation = keyof typeof ROUTES & keyof operations;

type ParametersIn<O extends Operation, Place extends string> = operations[O]["parameters"] extends { [K in Place]?: infer P }
  ? NonNullable<P>
  : never;
type IsRequired<P> = P extends Record<string, unknown> ? ({} extends P ? false : true) : false;
type Given<Name extends string, P> = [P] extends [never]
  ? { [K in Name]?: never }
  : IsRequired<P> extends true
    ? { [K in Name]: P }
    : { [K in Name]?: P | undefined };

type Contents<T> = T extends { content: infer C } ? C : never;
type Json<C> = C extends { "application/json": infer J } ? J : never;
type BodyOf<O extends Operation> = Json<Contents<NonNullable<operations[O]["requestBody"]>>>;
/** Whether a route takes a body that may be left out. */
type Optional<O extends Operation> = operations[O] extends { requestBody: unknown } ? false : true;
type WithBody<O extends Operation> = [BodyOf<O>] extends [never]
  ? { body?: never }
  : Optional<O> extends true
    ? { body?: BodyOf<O> | undefined }
    : { body: BodyOf<O> };

type Good<R> = R[keyof R & (200 | 201 | 202 | 207)];
/** What a route answers with: its JSON, or its text; undefined: nothing. */
export type Answer<O extends Operation> = [Contents<Good<operations[O]["responses"]>>] extends [never]
  ? undefined
  : Contents<Good<operations[O]["responses"]>> extends infer C
    ? C extends Record<string, unknown>
      ? C[keyof C]
      : never
    : never;

/** What a route takes: the parameters in its path and its query, and its JSON body. */
export type Arguments<O extends Operation> = Given<"path", ParametersIn<O, "path">> &
  Given<"query", ParametersIn<O, "query">> &
  WithBody<O>;

export interface CallOptions extends RequestOptions {
  /** Makes a repetition of the request the same job. Default: a random one, where the route takes one. */
  idempotencyKey?: string | undefined;
}

/** What the types of a call come to at run time. */
interface Untyped extends CallOptions {
  path?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
  /** A body that is not JSON. */
  content?: Body;
  headers?: Record<string, string>;
  redirect?: "manual";
  /** The body is repeatable by what it says: its rows have keys. */
  repeatable?: boolean;
}

/**
 * Take a key, but get no random one: without a key, the same final of the same draft is the same job, and a whole campaign
 * is cancelled or resumed, which has no operation to repeat.
 */
const NOT_AT_RANDOM: ReadonlySet<string> = new Set(["jobs_finalize", "campaigns_cancel", "campaigns_resume"]);
/** POSTs that store nothing, or the same when they are sent twice: a campaign's rows have keys of their own. */
const HARMLESS: ReadonlySet<string> = new Set(["jobs_estimate", "campaigns_plan", "campaigns_plan_errors", "campaigns_create"]);

export class Calls {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** The answer of a route. Throws an ApiError if the API refuses. */
  async call<O extends Operation>(operation: O, given: Arguments<O> & CallOptions): Promise<Answer<O>> {
    return (await this.send(operation, given as Untyped)) as Answer<O>;
  }

  /** The same, with bodies that are not JSON, and headers. */
  async send(operation: Operation, given: Untyped): Promise<unknown> {
    const { response, text } = await this.transport.text(await this.#request(operation, given));
    if (response.status === 204 || response.status === 304 || text === "") return undefined;
    return (response.headers.get("content-type") ?? "").startsWith("application/json") ? JSON.parse(text) : text;
  }

  /** The items of a route that answers page by page. */
  pages<T>(operation: Operation, given: Untyped, convert = (item: unknown) => item as T): Pages<T> {
    return new Pages(async (cursor) => {
      const query = cursor === undefined ? given.query : { ...given.query, cursor };
      const page = (await this.send(operation, query ? { ...given, query } : given)) as Page<unknown>;
      return { data: page.data.map(convert), next_cursor: page.next_cursor === null ? null : String(page.next_cursor) };
    });
  }

  /** An answer whose body is read piece by piece. */
  async open(operation: Operation, given: Untyped): Promise<{ response: Response; watch: Watch }> {
    return this.transport.open(await this.#request(operation, given));
  }

  async #request(operation: Operation, given: Untyped): Promise<HttpRequest> {
    const [method, template] = ROUTES[operation];
    const body = given.content ?? (given.body === undefined ? undefined : jsonBody(given.body));
    const headers = { ...given.headers };
    const keyed = KEYED.has(operation);
    const inBody = (given.body as { idempotency_key?: string | null } | undefined)?.idempotency_key;
    if (given.idempotencyKey !== undefined) {
      if (!keyed) throw new ConfigurationError(`${operation} takes no idempotency key`);
      headers["idempotency-key"] = given.idempotencyKey;
    } else if (keyed && !inBody && !NOT_AT_RANDOM.has(operation)) {
      headers["idempotency-key"] = await randomKey();
    }
    const { signal, timeoutMs, maxRetries, redirect } = given;
    return {
      method,
      path: fill(template, given.path ?? {}) + queryString(given.query ?? {}),
      headers,
      body,
      repeatable: (keyed && Boolean(inBody || headers["idempotency-key"])) || HARMLESS.has(operation) || (given.repeatable ?? false),
      signal,
      timeoutMs,
      maxRetries,
      ...(redirect === undefined ? {} : { redirect }),
    };
  }
}

function fill(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    // "." and ".." would be taken as parts of the path, encoded or not.
    if (!value || value === "." || value === "..") throw new TypeError(`${name} must be a name or an id, not "${value}"`);
    return encodeURIComponent(value);
  });
}

/** A query: lists repeat their name; undefined and null are left out. */
function queryString(query: Record<string, unknown>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) found.append(name, item instanceof Date ? item.toISOString() : String(item));
    }
  }
  const text = found.toString();
  return text && `?${text}`;
}
