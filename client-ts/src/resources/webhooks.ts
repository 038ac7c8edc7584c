import type { Arguments, Calls } from "../core/calls.ts";
import type { Pages } from "../core/pages.ts";
import type { RequestOptions } from "../core/transport.ts";
import type { Endpoint, WebhookMessage } from "../types.ts";

export type MessageFilter = Omit<NonNullable<Arguments<"webhook_messages_list">["query"]>, "cursor">;

/** Where events are sent, and what was sent. Changes need the scope admin. */
export class Webhooks {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  async endpoints(options: RequestOptions = {}): Promise<Endpoint[]> {
    return (await this.#calls.call("webhook_endpoints_list", options)).data;
  }

  /** Add an endpoint. Its secret is shown only now. */
  async add(endpoint: Arguments<"webhook_endpoints_create">["body"], options: RequestOptions = {}) {
    return this.#calls.call("webhook_endpoints_create", { ...options, body: endpoint });
  }

  async update(id: string, change: Arguments<"webhook_endpoints_update">["body"], options: RequestOptions = {}): Promise<Endpoint> {
    return this.#calls.call("webhook_endpoints_update", { ...options, path: { endpoint_id: id }, body: change });
  }

  /** Remove an endpoint and drop its pending messages. */
  async remove(id: string, options: RequestOptions = {}): Promise<void> {
    await this.#calls.call("webhook_endpoints_delete", { ...options, path: { endpoint_id: id } });
  }

  /** Make a new secret, shown only now; the old one signs too for `overlapSeconds` (a day). */
  async rotate(id: string, options: RequestOptions & { overlapSeconds?: number } = {}) {
    const { overlapSeconds, ...rest } = options;
    const body = overlapSeconds === undefined ? {} : { overlap_seconds: overlapSeconds };
    return this.#calls.call("webhook_endpoints_rotate", { ...rest, path: { endpoint_id: id }, body });
  }

  /** The secrets that verify deliveries to the `webhook_url` of jobs. */
  async secrets(options: RequestOptions = {}) {
    return this.#calls.call("webhooks_secret", options);
  }

  /** Messages, newest first. */
  messages(filter: MessageFilter = {}, options: RequestOptions = {}): Pages<WebhookMessage> {
    return this.#calls.pages("webhook_messages_list", { ...options, query: filter });
  }

  /** Send a message again, with the same id. */
  async replay(id: string, options: RequestOptions = {}): Promise<WebhookMessage> {
    return this.#calls.call("webhook_messages_replay", { ...options, path: { message_id: id } });
  }

  /** Send a test event and return the result. */
  async test(target: Arguments<"webhooks_test">["body"], options: RequestOptions = {}): Promise<WebhookMessage> {
    return this.#calls.call("webhooks_test", { ...options, body: target });
  }
}
