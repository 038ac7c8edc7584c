// The real API that tests/integration/typescript starts, and the worker that it plays.
import { Reelq } from "#client";
import { proxyTo } from "../proxy.mjs";

const { REELQ_API_URL, TEST_CONTROL_URL, TEST_OTHER_KEY } = process.env;

export const API_URL = REELQ_API_URL;
export const FOX = "a red fox runs through fresh snow";

/** A client with what is in REELQ_API_URL and REELQ_API_KEY. */
export const reelq = new Reelq();
/** A client of another tenant. */
export const other = new Reelq({ apiKey: TEST_OTHER_KEY });

/** Move a job on as a worker does. With `bytes`, store a video of that length first. Returns its length and SHA-256. */
export async function bring(id, state, more = {}) {
  const answer = await fetch(TEST_CONTROL_URL, { method: "POST", body: JSON.stringify({ id, state, ...more }) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** A client whose requests pass through a proxy that fails as `rule` says. Ends with the test. */
export async function through(t, rule, options = {}) {
  const proxy = await proxyTo(API_URL, rule);
  t.after(() => proxy.close());
  return { proxy, client: new Reelq({ baseUrl: proxy.url, ...options }) };
}

export async function collect(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}
