import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, IdempotencyConflict, InvalidRequest, isHeld, NotAuthenticated, NotFound, NotPossible, Reelq, Unavailable, WaitTimeout } from "#client";
import { bring, collect, FOX, other, reelq, through } from "./api.mjs";

test("a job is created, read, listed and cancelled", async () => {
  const job = await reelq.jobs.create({ prompt: FOX, duration: 5, tags: ["first"], metadata: { sku: "A-17" } });
  assert.deepEqual([job.state, job.request, job.metadata], ["queued", { prompt: FOX, duration: 5 }, { sku: "A-17" }]);
  assert.match(job.idempotency_key, /^auto-[0-9a-f]{32}$/);
  assert.equal(job.video_url, null);
  assert.equal((await reelq.jobs.get(job.id)).id, job.id);
  const listed = await reelq.jobs.list({ tag: ["first"], state: ["queued"] }).page();
  assert.deepEqual(listed.data.map((item) => item.id), [job.id]);
  assert.equal((await reelq.jobs.cancel(job.id)).state, "cancelled");
  const again = await reelq.jobs.retry(job.id);
  assert.notEqual(again.id, job.id);
  assert.deepEqual((await reelq.jobs.timeline(job.id)).map((event) => event.target), ["queued", "cancelled"]);
});

test("lists are iterated over all pages, in order", async () => {
  const made = [];
  for (let number = 0; number < 5; number++) made.unshift((await reelq.jobs.create({ prompt: FOX, tags: ["paged"] })).id);
  const list = reelq.jobs.list({ tag: ["paged"], limit: 2 });
  assert.deepEqual((await collect(list)).map((job) => job.id), made);
  assert.deepEqual((await collect(list.pages())).map((page) => page.data.length), [2, 2, 1]);
  assert.deepEqual((await list.take(3)).map((job) => job.id), made.slice(0, 3));
  const { next_cursor: cursor } = await list.page();
  assert.deepEqual((await list.page(cursor)).data.map((job) => job.id), made.slice(2, 4));
});

test("neither tenant sees the other's jobs", async () => {
  const job = await reelq.jobs.create({ prompt: FOX, tags: ["mine"] });
  const theirs = await other.jobs.create({ prompt: FOX, tags: ["mine"] });
  await assert.rejects(other.jobs.get(job.id), NotFound);
  await assert.rejects(reelq.jobs.cancel(theirs.id), NotFound);
  assert.deepEqual((await collect(other.jobs.list({ tag: ["mine"] }))).map((item) => item.id), [theirs.id]);
});

test("refusals are errors with types, and name the fields", async () => {
  const refused = await reelq.jobs.create({ prompt: FOX, duration: 3 }).catch((error) => error);
  assert.ok(refused instanceof InvalidRequest);
  assert.deepEqual([refused.status, refused.code, refused.errors[0].field], [422, "invalid_request", "duration"]);
  assert.match(refused.message, /duration.*invalid_request, HTTP 422/);
  assert.ok(refused.requestId && refused.advice);

  await reelq.jobs.create({ prompt: FOX, idempotency_key: "fox-1" });
  await assert.rejects(reelq.jobs.create({ prompt: "a cat", idempotency_key: "fox-1" }), IdempotencyConflict);
  const job = await reelq.jobs.create({ prompt: FOX });
  await bring(job.id, "failed");
  await assert.rejects(reelq.jobs.video(job.id).blob(), NotPossible);
  assert.deepEqual((await reelq.jobs.get(job.id)).error.code, "x");

  const wrong = new Reelq({ apiKey: "rq_wrong_key" });
  const error = await wrong.jobs.list().page().catch((caught) => caught);
  assert.ok(error instanceof NotAuthenticated);
  assert.ok(!JSON.stringify([error, String(error), wrong]).includes("wrong_key"), "the key is nowhere to be seen");
});

test("a lost answer makes no second job: the POST is repeated with its key", async (t) => {
  const faults = ["lose", { status: 503, headers: { "retry-after": "0" } }];
  const { client, proxy } = await through(t, (_, count) => faults[count - 1]);
  const job = await client.jobs.create({ prompt: FOX, tags: ["once"] });
  assert.equal(proxy.seen.length, 3);
  assert.equal(new Set(proxy.seen.map((request) => request.headers["idempotency-key"])).size, 1);
  assert.deepEqual((await collect(reelq.jobs.list({ tag: ["once"] }))).map((item) => item.id), [job.id]);
});

test("a POST without a key is never repeated", async (t) => {
  const failed = await reelq.jobs.create({ prompt: FOX });
  await reelq.jobs.cancel(failed.id);
  const { client, proxy } = await through(t, () => ({ status: 503, headers: { "retry-after": "0" } }));
  await assert.rejects(client.jobs.retry(failed.id), Unavailable);
  await assert.rejects(client.jobs.resolve(failed.id, { action: "resubmit" }), Unavailable);
  await assert.rejects(client.call("keys_create", { body: { name: "a" } }), Unavailable);
  assert.equal(proxy.seen.length, 3);
  const named = { path: { job_id: failed.id }, idempotencyKey: "a" };
  await assert.rejects(client.call("jobs_retry", named), ConfigurationError, "a key that the route would not obey");
});

test("many jobs: all or none, or part of them, and once even if the answer is lost", async (t) => {
  const { client } = await through(t, (_, count) => (count === 1 ? "lose" : undefined));
  const report = await client.jobs.createMany([{ prompt: FOX, tags: ["many"] }, { prompt: FOX, tags: ["many"] }]);
  assert.deepEqual([report.rows, report.known], [2, 2]);
  assert.equal((await collect(reelq.jobs.list({ tag: ["many"] }))).length, 2);
  const rows = [{ prompt: FOX }, { prompt: FOX, duration: 99 }];
  await assert.rejects(reelq.jobs.createMany(rows), InvalidRequest);
  const part = await reelq.jobs.createMany(rows, { partial: true });
  assert.deepEqual([part.created, part.refused, part.results[1].errors[0].field], [1, 1, "duration"]);
});

test("wait returns when the job has ended, and when a person must decide", async () => {
  const job = await reelq.jobs.create({ prompt: FOX });
  const ended = reelq.jobs.wait(job.id, { timeoutMs: 60_000 });
  await bring(job.id, "succeeded");
  const done = await ended;
  assert.deepEqual([done.state, done.video_url], ["succeeded", `${process.env.REELQ_API_URL}/v1/jobs/${job.id}/video`]);

  const doubtful = await reelq.jobs.create({ prompt: FOX });
  await bring(doubtful.id, "unconfirmed");
  const held = await reelq.jobs.wait(doubtful.id);
  assert.ok(isHeld(held));

  const slow = await reelq.jobs.create({ prompt: FOX });
  await assert.rejects(reelq.jobs.wait(slow.id, { timeoutMs: 50 }), WaitTimeout);
  const reason = new Error("enough");
  await assert.rejects(reelq.jobs.wait(slow.id, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const waiting = reelq.jobs.wait(slow.id, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(waiting, reason);
  await reelq.jobs.cancel(slow.id); // otherwise the server would keep the request of who is gone
});

test("every other route is reached by its operation id", async () => {
  assert.equal((await reelq.call("tenant_get", {})).name, "default");
  const key = await reelq.call("keys_create", { body: { name: "backend", scopes: ["read"] } });
  assert.equal(await reelq.call("keys_revoke", { path: { key_id: key.id } }), undefined);
  const estimate = await reelq.jobs.estimate({ prompt: FOX, duration: 5 });
  assert.equal(estimate.accounts[0].estimate.high, 2.5);
});
