import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigurationError, InvalidRequest, NotFound, sheetOf } from "#client";
import { bring, collect, FOX, other, reelq, through } from "./api.mjs";

const ROWS = [{ prompt: FOX, duration: 5 }, { prompt: "a lighthouse at dusk", duration: 10 }];

test("a campaign is planned, run once, paused, waited for and read", async (t) => {
  const plan = await reelq.campaigns.plan(ROWS, { budget: "3 USD" });
  assert.deepEqual([plan.rows, plan.good, plan.cost.high, plan.budget.pays_for], [2, 2, 7.5, 1]);
  const broken = sheetOf('{"prompt": "a fox", "duration": 99}\n', "application/x-ndjson");
  assert.match(new TextDecoder().decode(await reelq.campaigns.planErrors(broken)), /"duration: .*99/);
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

test("results are exported, downloaded and shared", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "reelq-"));
  t.after(() => rm(folder, { recursive: true }));
  const sheet = sheetOf("prompt,sku\na cat,A\na dog,B\n");
  const stored = await reelq.campaigns.run("results", sheet, { key: "sku" });
  const video = await bring(stored.ids[0], "succeeded", { bytes: 20_000 });
  await reelq.campaigns.export("results", { format: "csv" }).save(join(folder, "results.csv"));
  assert.match(await readFile(join(folder, "results.csv"), "utf8"), /^\ufeff?prompt,sku,/);
  assert.match(await (await reelq.campaigns.sheet("results").blob()).text(), /<!doctype html>/i);
  const rows = await reelq.campaigns.results("results");
  assert.deepEqual(rows.map((row) => [row.columns.sku, row.state]), [["A", "succeeded"], ["B", "queued"]]);
  const fileName = (row) => `videos/${row.columns.sku}.mp4`;
  for (const _ of [1, 2]) {
    const [path] = await reelq.campaigns.download("results", folder, { fileName });
    assert.deepEqual([path, (await stat(path)).size], [join(folder, "videos", "A.mp4"), video.bytes ?? 20_000]);
  }
  await assert.rejects(reelq.campaigns.download("results", folder, { fileName: () => "../a.mp4" }), ConfigurationError);
  const link = await reelq.campaigns.share("results", { days: 1 });
  assert.equal((await fetch(link.url)).status, 200);
  await assert.rejects(other.campaigns.revokeShare("results", link.id), NotFound);
  await reelq.campaigns.revokeShare("results", link.id);
  assert.deepEqual((await reelq.campaigns.shares("results")).map((share) => share.revoked_at !== null), [true]);
  await assert.rejects(other.campaigns.export("results").blob(), NotFound);
});

test("rows are listed, decided about once, and their videos come as a ZIP file", async (t) => {
  const sheet = sheetOf("prompt,sku\na cat,A\na dog,B\na fox,C\n");
  const mailed = reelq.campaigns.run("rows", sheet, { key: "sku", notify: ["anna@shop.example"] });
  await assert.rejects(mailed, (error) => error instanceof InvalidRequest && error.errors[0].field === "notify", "no mail server");
  const stored = await reelq.campaigns.run("rows", sheet, { key: "sku" });
  assert.deepEqual((await reelq.campaigns.update("rows", { notify: [] })).notify, []);
  await bring(stored.ids[0], "succeeded", { bytes: 20_000 });
  const rows = await collect(reelq.campaigns.rows("rows", { limit: 2 }));
  assert.deepEqual(rows.map((row) => [row.key, row.state]), [["A", "succeeded"], ["B", "queued"], ["C", "queued"]]);
  assert.equal((await reelq.campaigns.row("rows", rows[0].id)).history.length, 1);
  const zip = new Uint8Array(await (await reelq.campaigns.videos("rows", { file_name: "{sku}.mp4" }).blob()).arrayBuffer());
  assert.ok(zip.length > 20_000 && Buffer.from(zip).includes("A.mp4"));
  const choice = { keys: ["A"] };
  assert.deepEqual((await reelq.campaigns.approve("rows", choice, { dryRun: true })).done, 0);
  const { client } = await through(t, (_, count) => (count === 1 ? "lose" : undefined));
  assert.equal((await client.campaigns.approve("rows", choice, { comment: "sharp" })).done, 1);
  const rerolled = await reelq.campaigns.reroll("rows", choice, { idempotencyKey: "once" });
  assert.deepEqual((await reelq.campaigns.reroll("rows", choice, { idempotencyKey: "once" })).jobs, rerolled.jobs);
  assert.equal((await reelq.campaigns.reject("rows", choice)).done + (await reelq.campaigns.retry("rows")).done, 0);
  assert.equal((await reelq.campaigns.set("rows", { keys: ["B"] }, { priority: 9 })).done, 1);
  await assert.rejects(reelq.campaigns.cancelRows("rows", {}), TypeError);
  assert.equal((await reelq.campaigns.cancelRows("rows", { keys: ["B"] })).done, 1);
  assert.deepEqual((await reelq.campaigns.status("rows")).states.cancelled, 1);
  assert.equal((await reelq.campaigns.resumeRows("rows", { all: true })).done, 0);
  await assert.rejects(other.campaigns.approve("rows", choice), NotFound);
  await assert.rejects(other.campaigns.videos("rows").blob(), NotFound);
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
