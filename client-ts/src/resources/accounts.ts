import type { Answer, Arguments, Calls } from "../core/calls.ts";
import type { RequestOptions } from "../core/transport.ts";
import type { Account } from "../types.ts";

/** Accounts at gateways. An admin of tenant `default` manages all, another admin those that serve only its tenant. */
export class Accounts {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Every account, in the order they are tried, and those that cannot be used, with the reason. */
  async list(options: RequestOptions = {}): Promise<Answer<"accounts_list">> {
    return this.#calls.call("accounts_list", options);
  }

  async get(name: string, options: RequestOptions = {}): Promise<Account> {
    return this.#calls.call("accounts_get", { ...options, path: { name } });
  }

  /** Add an account. Its keys are stored encrypted, and never shown. */
  async add(account: Arguments<"accounts_create">["body"], options: RequestOptions = {}): Promise<Account> {
    return this.#calls.call("accounts_create", { ...options, body: account });
  }

  /** Change fields of an account that the database has; null removes one. */
  async update(name: string, change: Arguments<"accounts_update">["body"], options: RequestOptions = {}): Promise<Account> {
    return this.#calls.call("accounts_update", { ...options, path: { name }, body: change });
  }

  /** Give an account a new key. */
  async rekey(name: string, key: Arguments<"accounts_rekey">["body"], options: RequestOptions = {}): Promise<Account> {
    return this.#calls.call("accounts_rekey", { ...options, path: { name }, body: key });
  }

  /** Submit nothing more to an account; its tasks go on. */
  async pause(name: string, options: RequestOptions = {}): Promise<Account> {
    return this.#calls.call("accounts_pause", { ...options, path: { name } });
  }

  /** Use an account again at once: after a pause, or after its key or its credit was corrected. */
  async resume(name: string, options: RequestOptions = {}): Promise<Account> {
    return this.#calls.call("accounts_resume", { ...options, path: { name } });
  }

  /** Remove an account. `drain`: submit nothing more, and remove it when its last task has ended. */
  async remove(name: string, options: RequestOptions & { drain?: boolean } = {}): Promise<void> {
    const { drain, ...rest } = options;
    await this.#calls.call("accounts_delete", { ...rest, path: { name }, query: drain === undefined ? {} : { drain } });
  }
}
