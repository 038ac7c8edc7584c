import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { DownloadFailed, NotFound } from "#client";
import { bring, FOX, other, reelq, through } from "./api.mjs";

const SIZE = 3_000_000;
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function stored(more = {}) {
  const job = await reelq.jobs.create({ prompt: FOX });
  return { id: job.id, ...(await bring(job.id, "succeeded", { bytes: SIZE, ...more })) };
}

async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), "reelq-client-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test("a video is saved whole and checked, or read in other ways", async (t) => {
  const { id, sha256 } = await stored();
  const path = join(await folder(t), "fox.mp4");
  const progress = [];
  assert.equal(await reelq.jobs.video(id).save(path, { onProgress: (...args) => progress.push(args) }), SIZE);
  assert.equal(hash(await readFile(path)), sha256);
  assert.deepEqual(progress.at(-1), [SIZE, SIZE]);
  assert.deepEqual(await readdir(join(path, "..")), ["fox.mp4"]);

  const blob = await reelq.jobs.video(id).blob();
  assert.deepEqual([blob.size, blob.type], [SIZE, "video/mp4"]);
  const part = await reelq.jobs.video(id).response({ range: "bytes=0-9" });
  assert.equal((await part.arrayBuffer()).byteLength, 10);
  const link = await fetch(await reelq.jobs.video(id).link());
  assert.equal(hash(Buffer.from(await link.arrayBuffer())), sha256, "a link needs no key");
  await assert.rejects(other.jobs.video(id).save(path), NotFound);
  await assert.rejects(reelq.jobs.poster(id).save(path), /HTTP 4/);
});

test("a download that breaks continues where it stopped", async (t) => {
  const { id, sha256 } = await stored();
  let sent = 0;
  const { client, proxy } = await through(t, ({ url }) => {
    if (!url.includes("/video")) return undefined;
    sent++;
    return { url: `${url}?proxy=1`, ...(sent < 4 ? { cutAfter: 700_000 } : {}) };
  });
  const path = join(await folder(t), "fox.mp4");
  assert.equal(await client.jobs.video(id).save(pathToFileURL(path)), SIZE);
  assert.equal(hash(await readFile(path)), sha256);
  const ranges = proxy.seen.map((request) => request.headers.range).filter(Boolean);
  assert.ok(ranges.length === 3 && new Set(ranges).size === 3, String(ranges));
  assert.ok(proxy.seen.at(-1).headers["if-range"]);
});

test("another run continues a part, and starts over if the part is of something else", async (t) => {
  const { id, sha256, content } = await stored();
  const path = join(await folder(t), "fox.mp4");
  const whole = Buffer.from(content, "base64");
  const { client, proxy } = await through(t, () => undefined);
  for (const [left, ranges] of [[whole.subarray(0, 1_000_000), 1], [Buffer.alloc(1_000_000), 2], [whole, 2]]) {
    await writeFile(`${path}.part`, left);
    await client.jobs.video(id).save(path);
    assert.equal(hash(await readFile(path)), sha256);
    assert.equal(proxy.seen.filter((request) => request.headers.range).length, ranges);
  }
});

test("a file that is not what the job states is not kept", async (t) => {
  const { id } = await stored({ sha256: "0".repeat(64) });
  const path = await folder(t);
  await assert.rejects(reelq.jobs.video(id).save(join(path, "fox.mp4")), (error) => {
    return error instanceof DownloadFailed && /SHA-256/.test(error.message);
  });
  assert.deepEqual(await readdir(path), []);
  await assert.rejects(reelq.jobs.video((await stored()).id).save(join(path, "none", "fox.mp4")), /ENOENT/);
});
