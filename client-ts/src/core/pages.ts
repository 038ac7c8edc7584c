/** Lists that the API gives page by page. */

export interface Page<T> {
  data: T[];
  /** Where the next page starts; null: this is the last one. */
  next_cursor: string | null;
}

/** A list: iterate over its items (`for await`), over its pages, or take one page. Nothing is fetched before that. */
export class Pages<T> implements AsyncIterable<T> {
  readonly #fetch: (cursor: string | undefined) => Promise<Page<T>>;

  constructor(fetch: (cursor: string | undefined) => Promise<Page<T>>) {
    this.#fetch = fetch;
  }

  /** The first page, or the one that a cursor names. */
  page(cursor?: string): Promise<Page<T>> {
    return this.#fetch(cursor);
  }

  async *pages(): AsyncGenerator<Page<T>> {
    let cursor: string | undefined;
    do {
      const page = await this.#fetch(cursor);
      yield page;
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for await (const page of this.pages()) yield* page.data;
  }

  /** The first `limit` items as an array. */
  async take(limit: number): Promise<T[]> {
    const found: T[] = [];
    if (limit > 0) {
      for await (const item of this) {
        found.push(item);
        if (found.length >= limit) break;
      }
    }
    return found;
  }
}
