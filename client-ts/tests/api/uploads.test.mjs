import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { test } from "node:test";
import { InvalidRequest, NotFound, NotPossible } from "#client";
import { API_URL, collect, FOX, other, reelq } from "./api.mjs";

const headers = { authorization: `Bearer ${process.env.REELQ_API_KEY}` };
const { paths } = await (await fetch(`${API_URL}/openapi.json`, { headers })).json();
const skip = "/v1/uploads" in paths ? false : "this API takes no uploads";

/** A grey PNG of 400 by 400 pixels with noise in it, so that it is large. */
function picture() {
  const crc = (bytes) => {
    let found = ~0;
    for (const byte of bytes) {
      found ^= byte;
      for (let bit = 0; bit < 8; bit++) found = (found >>> 1) ^ (found & 1 ? 0xedb88320 : 0);
    }
    return ~found >>> 0;
  };
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(400, 0);
  head.writeUInt32BE(400, 4);
  head[8] = 8;
  const rows = Buffer.alloc(401 * 400);
  for (let at = 0; at < rows.length; at++) rows[at] = at % 401 === 0 ? 0 : Math.random() * 256;
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

test("a file is uploaded with progress and used in jobs of its tenant alone", { skip }, async () => {
  const content = picture();
  const progress = [];
  const upload = await reelq.uploads.create(new File([content], "fox.png", { type: "image/png" }), {
    onProgress: (...given) => progress.push(given),
  });
  assert.deepEqual([upload.name, upload.size_bytes], ["fox.png", content.length]);
  assert.deepEqual(progress.at(-1), [content.length, content.length]);
  const job = await reelq.jobs.create({ prompt: FOX, first_frame: upload.url });
  assert.equal(job.request.first_frame, upload.url);
  await assert.rejects(other.jobs.create({ prompt: FOX, first_frame: upload.url }), InvalidRequest);
  assert.equal((await reelq.uploads.get(upload.id)).in_use, true);
  assert.deepEqual((await collect(reelq.uploads.list({ limit: 1 }))).filter((item) => item.id === upload.id).length, 1);
  await assert.rejects(other.uploads.get(upload.id), NotFound);
  await assert.rejects(reelq.uploads.delete(upload.id), NotPossible);
  await reelq.jobs.cancel(job.id);
  await reelq.uploads.delete(upload.id);
});

test("files in a job are uploaded by the way", { skip }, async () => {
  const file = new Blob([picture()], { type: "image/png" });
  const job = await reelq.jobs.create({ prompt: FOX, reference_images: [file, file] });
  assert.match(job.request.reference_images.join(" "), /^(upload:\/\/[0-9a-f]{64}\.png) \1$/);
  await assert.rejects(reelq.uploads.create(Buffer.from("no picture"), { contentType: "image/png" }), InvalidRequest);
});
