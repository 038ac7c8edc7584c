// The `openai` package for Node, against /v1/videos of the real API.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { NotFoundError, toFile } from "openai";
import { bring } from "../tests/api/api.mjs";

const openai = new OpenAI({ baseURL: `${process.env.REELQ_API_URL}/v1`, apiKey: process.env.REELQ_API_KEY });

test("a video is created, retrieved and downloaded", async () => {
  const video = await openai.videos.create({ prompt: "a red fox", model: "sora-2", seconds: "8", size: "1280x720" });
  assert.deepEqual([video.object, video.status, video.seconds, video.size], ["video", "queued", "8", "1280x720"]);
  await bring(video.id, "succeeded", { bytes: 1000 });
  const done = await openai.videos.retrieve(video.id);
  assert.deepEqual([done.status, done.progress], ["completed", 100]);
  const content = await openai.videos.downloadContent(video.id);
  assert.equal((await content.arrayBuffer()).byteLength, 1000);
  const listed = [];
  for await (const item of openai.videos.list({ limit: 1 })) listed.push(item.id);
  assert.ok(listed.includes(video.id));
  assert.equal((await openai.videos.delete(video.id)).deleted, true);
  await assert.rejects(openai.videos.retrieve(video.id), NotFoundError);
});

test("errors are the package's own", async () => {
  const error = await openai.videos.create({ prompt: "a", seconds: "3" }).catch((caught) => caught);
  assert.deepEqual([error.status, error.code, error.param], [422, "invalid_request", "seconds"]);
  const picture = await toFile(Buffer.from("not a picture"), "fox.png", { type: "image/png" });
  await assert.rejects(openai.videos.create({ prompt: "a", input_reference: picture }), /input_reference|HTTP|422/);
});
