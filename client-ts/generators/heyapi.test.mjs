// A client that @hey-api/openapi-ts generated, against the real API.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as api from "./build/heyapi/dist/index.js";
import { client } from "./build/heyapi/dist/client.gen.js";
import { bring } from "../tests/api/api.mjs";

client.setConfig({ baseUrl: process.env.REELQ_API_URL, auth: process.env.REELQ_API_KEY, throwOnError: true });

test("jobs are created, listed, followed and fetched", async () => {
  const { data: job } = await api.jobsCreate({ body: { prompt: "a red fox", duration: 5, tags: ["hey"] }, headers: { "Idempotency-Key": "hey-1" } });
  assert.equal(job.state, "queued");
  const { data: batch } = await api.jobsCreateMany({ body: [{ prompt: "a cat", tags: ["hey"] }, { prompt: "a dog", tags: ["hey"] }], query: { partial: true } });
  assert.equal(batch.created, 2);
  const { data: page } = await api.jobsList({ query: { tag: ["hey"], state: ["queued", "failed"], limit: 2 } });
  assert.deepEqual([page.data.length, typeof page.next_cursor], [2, "string"]);

  await bring(job.id, "succeeded", { bytes: 1000 });
  const { stream } = await api.jobsEvents({ path: { job_id: job.id } });
  const seen = [];
  for await (const event of stream) {
    seen.push(event.target);
    if (event.target === "succeeded") break;
  }
  assert.deepEqual(seen, ["queued", "submitting", "generating", "transferring", "succeeded"]);
  const { data: video } = await api.jobsVideo({ path: { job_id: job.id }, query: { proxy: true } });
  assert.equal(video.size, 1000);
});

test("campaigns, and errors as problem details", async () => {
  const { data: stored } = await api.campaignsCreate({ query: { name: "hey" }, body: [{ prompt: "a red fox" }] });
  assert.equal(stored.created, 1);
  const { data: campaign } = await api.campaignsPause({ path: { name: "hey" } });
  assert.notEqual(campaign.paused_at, null);
  const { error, response } = await api.jobsCreate({ body: { prompt: "a", duration: 3 }, throwOnError: false });
  assert.deepEqual([response.status, error.code, error.errors[0].field], [422, "invalid_request", "duration"]);
});
