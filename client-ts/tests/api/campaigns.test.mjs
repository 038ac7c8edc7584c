import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidRequest, NotFound, sheetOf } from "#client";
import { bring, collect, FOX, other, reelq, through } from "./api.mjs";

const ROWS = [{ prompt: FOX, duration: 5 }, { prompt: "a lighthouse at dusk", duration: 10 }];

test("a campaign is planned, run once, paused, waited for and read", async (t) => {
  const plan = await reelq.campaigns.plan(ROWS, { budget: "3 USD" });
  assert.deepEqual([plan.rows, plan.good, plan.cost.high, plan.budget.pays_for], [2, 2, 7.5, 1]);
  await assert.rejects(reelq.campaigns.get("spring"), NotFound);

  const { client } = await through(t, (_, count) => (count === 1 ? "lose" : undefined));
  const stored = await client.campaigns.run("spring", ROWS, { paused: true });
  assert.deepEqual([stored.rows, stored.known], [2, 2]);
  assert.equal((await reelq.campaigns.run("spring", ROWS)).created, 0, "the same rows are the same jobs");
  assert.equal((await reelq.campaigns.update("spring", { weight: 2 })).weight, 2);
  assert.notEqual((await reelq.campaigns.get("spring")).paused_at, null);
  assert.equal((await reelq.campaigns.resume("spring")).paused_at, null);
  assert.deepEqual((await collect(reelq.campaigns.decisions("spring"))).map((item) => item.what).length, 2);

  await bring(stored.ids[0], "succeeded");
  await reelq.jobs.cancel(stored.ids[1]);
  assert.deepEqual((await reelq.campaigns.wait("spring", { timeoutMs: 60_000 })).counts, { succeeded: 1, cancelled: 1 });
  const lines = await collect(reelq.campaigns.manifest("spring", { linkSeconds: 600 }));
  assert.deepEqual(lines.map((line) => [line.id, Boolean(line.video_url)]), [[stored.ids[0], true], [stored.ids[1], false]]);
  assert.ok((await collect(reelq.campaigns.list())).some((campaign) => campaign.name === "spring"));
});

test("rows may be a sheet, or columns of your own with a prompt", async () => {
  const sheet = sheetOf("prompt,duration\na cat,5\na dog,7\n");
  assert.deepEqual((await reelq.campaigns.run("pets / and more", sheet).catch((error) => error.code)), "invalid_request");
  assert.equal((await reelq.campaigns.run("pets", sheet)).created, 2);
  const shaped = await reelq.campaigns.run("shoes", [{ sku: "A" }, { sku: "B" }], { prompt: "shoe {{ sku }} turns" });
  assert.equal((await reelq.jobs.get(shaped.ids[1])).request.prompt, "shoe B turns");
  await assert.rejects(reelq.campaigns.run("bad", [{ prompt: "a", durration: 5 }]), InvalidRequest);
  await assert.rejects(reelq.campaigns.get(".."), TypeError);
});

test("another tenant's campaign is unknown, and its own may have the same name", async () => {
  await reelq.campaigns.run("shared", ROWS);
  await assert.rejects(other.campaigns.get("shared"), NotFound);
  await assert.rejects(other.campaigns.cancel("shared", { discard: true }), NotFound);
  assert.equal((await other.campaigns.run("shared", ROWS)).created, 2);
  assert.equal((await other.campaigns.cancel("shared")).cancelled, 2);
  assert.equal((await reelq.campaigns.get("shared")).counts.queued, 2);
});
