import type { Answer, Arguments, Calls } from "../core/calls.ts";
import type { RequestOptions } from "../core/transport.ts";
import type { Key, Purse } from "../types.ts";

/** The tenant's keys. They need the scope admin. */
export class Keys {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Every key, oldest first, without its secret. */
  async list(options: RequestOptions = {}): Promise<Key[]> {
    return (await this.#calls.call("keys_list", options)).data;
  }

  /** Make a key. It is shown only now. */
  async create(key: Arguments<"keys_create">["body"], options: RequestOptions = {}): Promise<Answer<"keys_create">> {
    return this.#calls.call("keys_create", { ...options, body: key });
  }

  /** Make a key in place of another, which works for `overlapSeconds` (a day) longer. */
  async rotate(id: string, options: RequestOptions & { overlapSeconds?: number } = {}): Promise<Answer<"keys_rotate">> {
    const { overlapSeconds, ...rest } = options;
    const body = overlapSeconds === undefined ? {} : { overlap_seconds: overlapSeconds };
    return this.#calls.call("keys_rotate", { ...rest, path: { key_id: id }, body });
  }

  async revoke(id: string, options: RequestOptions = {}): Promise<void> {
    await this.#calls.call("keys_revoke", { ...options, path: { key_id: id } });
  }

  /** What a key may spend; null: it has no limit of its own. */
  async purse(id: string, options: RequestOptions = {}): Promise<Purse | null> {
    return (await this.#calls.call("keys_purse", { ...options, path: { key_id: id } })).purse;
  }

  /** Set what a key may spend, such as "20 USD"; "none": no limit of its own. */
  async setPurse(id: string, purse: string, options: RequestOptions = {}): Promise<Purse | null> {
    return (await this.#calls.call("keys_set_purse", { ...options, path: { key_id: id }, body: { purse } })).purse;
  }
}
