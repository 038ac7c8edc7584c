import assert from "node:assert/strict";
import { test } from "node:test";
import { NotFound } from "#client";
import { bring, collect, FOX, other, reelq, through } from "./api.mjs";

const ALL = ["queued", "submitting", "generating", "transferring", "succeeded"];

test("a job's events come as they happen, and end with the job", async () => {
  const job = await reelq.jobs.create({ prompt: FOX });
  const seen = [];
  for await (const event of reelq.jobs.events(job.id)) {
    seen.push(event.target);
    if (event.target === "queued") await bring(job.id, "succeeded");
  }
  assert.deepEqual(seen, ALL);
  assert.deepEqual(await collect(reelq.jobs.events(job.id, { after: 2 ** 50 })), []);
  await assert.rejects(collect(other.jobs.events(job.id)), NotFound);
});

test("a stream that breaks anywhere continues without a gap or a repetition", async (t) => {
  const job = await reelq.jobs.create({ prompt: FOX });
  await bring(job.id, "succeeded");
  // Each connection ends some bytes later: within the first event, between two, within a later one.
  const { client, proxy } = await through(t, (_, count) => ({ cutAfter: 150 * count }));
  const events = await collect(client.jobs.events(job.id));
  assert.deepEqual(events.map((event) => event.target), ALL);
  assert.ok(proxy.seen.length > 2, `${proxy.seen.length} connections`);
  const continued = proxy.seen.map((request) => request.headers["last-event-id"]).filter(Boolean);
  assert.ok(continued.every((id) => events.some((event) => String(event.id) === id)));
});

test("the events of all jobs of the tenant continue too, and a loop may be left", async (t) => {
  const first = await reelq.jobs.create({ prompt: FOX });
  const [{ id: after }] = await reelq.jobs.timeline(first.id);
  const theirs = await other.jobs.create({ prompt: FOX });
  const second = await reelq.jobs.create({ prompt: FOX });
  await reelq.jobs.cancel(second.id);
  const { client, proxy } = await through(t, (_, count) => (count === 1 ? "refuse" : { cutAfter: 700 * count }));
  const [seen, positions] = [[], []];
  for await (const event of client.events({ after })) {
    assert.notEqual(event.job_id, theirs.id);
    assert.equal(event.job.id, event.job_id);
    seen.push(event.target);
    positions.push(event.position);
    if (event.target === "cancelled") break;
  }
  assert.deepEqual(seen, ["queued", "cancelled"]);
  assert.ok(proxy.seen.length >= 3);
  for await (const event of reelq.events({ after: positions[0], state: ["cancelled"] })) {
    assert.deepEqual([event.job_id, event.target], [second.id, "cancelled"]);
    break;
  }
});

test("a signal ends a stream with its reason", async () => {
  const job = await reelq.jobs.create({ prompt: FOX });
  const controller = new AbortController();
  const reason = new Error("enough");
  const seen = [];
  await assert.rejects(async () => {
    for await (const event of reelq.jobs.events(job.id, { signal: controller.signal })) {
      seen.push(event.target);
      setTimeout(() => controller.abort(reason), 10);
    }
  }, reason);
  assert.deepEqual(seen, ["queued"]);
});
