import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { ConfigurationError, ConnectionFailed, Reelq, ServerError, TooManyRequests, Unavailable, WaitTimeout } from "#client";

/** A server that answers as the test says, and what it was asked. */
async function serving(t, answer) {
  const seen = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks) });
    answer(response, seen.length, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

const json = (response, status, value, headers = {}) =>
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));

test("the environment configures it, and a mistake is named", () => {
  const env = (url, key) => Object.assign(process.env, { REELQ_API_URL: url, REELQ_API_KEY: key });
  try {
    env("", "");
    assert.throws(() => new Reelq(), /baseUrl is missing/);
    env("http://a.example/", "rq_a");
    assert.ok(new Reelq());
    for (const baseUrl of ["ftp://a.example", "a.example", "http://u:p@a.example", "http://a.example?b", "http://a.example/v1"]) {
      assert.throws(() => new Reelq({ baseUrl }), ConfigurationError, baseUrl);
    }
    assert.throws(() => new Reelq({ apiKey: "rq_sécret" }), (error) => error instanceof ConfigurationError && !error.message.includes("cret"));
  } finally {
    delete process.env.REELQ_API_URL;
    delete process.env.REELQ_API_KEY;
  }
});

test("reading is repeated after Retry-After, and only as often as asked for", async (t) => {
  const { url, seen } = await serving(t, (response, count) =>
    count < 3 ? json(response, 429, {}, { "retry-after": count === 1 ? "0" : new Date(0).toUTCString() }) : json(response, 200, { id: "1", links: {} }),
  );
  const reelq = new Reelq({ baseUrl: url, apiKey: "rq_a" });
  assert.equal((await reelq.jobs.get("1")).id, "1");
  assert.equal(seen.length, 3);
  assert.equal(seen[0].headers.authorization, "Bearer rq_a");
});

test("nothing waits for a far Retry-After, and a plain 500 is not repeated", async (t) => {
  const { url, seen } = await serving(t, (response, count) =>
    count === 1 ? json(response, 503, {}, { "retry-after": "3600" }) : count === 2 ? json(response, 500, {}) : json(response, 429, {}, { "retry-after": "0" }),
  );
  const reelq = new Reelq({ baseUrl: url });
  const error = await reelq.jobs.get("1").catch((caught) => caught);
  assert.ok(error instanceof Unavailable);
  assert.deepEqual([error.retryAfterSeconds, error.code, error.requestId], [3600, "unknown", null]);
  await assert.rejects(reelq.jobs.get("1"), (caught) => caught.constructor === ServerError);
  await assert.rejects(reelq.jobs.get("1", { maxRetries: 1 }), TooManyRequests);
  assert.equal(seen.length, 4);
});

test("no answer in time and no server are named; a signal's own reason is kept", async (t) => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const { url, seen } = await serving(t, (_, count) => count === 2 && controller.abort(reason));
  const reelq = new Reelq({ baseUrl: url, timeoutMs: 1_000, maxRetries: 0 });
  await assert.rejects(reelq.jobs.get("1"), (error) => error instanceof ConnectionFailed && /nothing arrived for 1 s/.test(error.message));
  await assert.rejects(reelq.jobs.get("1", { signal: controller.signal, timeoutMs: 60_000, maxRetries: 4 }), reason);
  assert.equal(seen.length, 2, "what was aborted is not sent again");
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const gone = new Reelq({ baseUrl: `http://127.0.0.1:${closed.address().port}`, maxRetries: 0 });
  closed.close();
  await assert.rejects(gone.jobs.create({ prompt: "a" }), (error) => error instanceof ConnectionFailed && /ECONNREFUSED/.test(error.message));
});

test("a file is uploaded with its length, its type and progress, and again after a fault", async (t) => {
  let faults = 1;
  const { url, seen } = await serving(t, (response) => json(response, faults-- > 0 ? 503 : 201, { id: "1", url: "upload://abc.png" }));
  const folder = await mkdtemp(join(tmpdir(), "reelq-client-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "a fox.png");
  const content = Buffer.alloc(1_000_000, 7);
  await writeFile(path, content);
  const reelq = new Reelq({ baseUrl: url });
  for (const source of [path, pathToFileURL(path), new Blob([content], { type: "image/png" }), content]) {
    seen.length = 0;
    const progress = [];
    const expected = faults > 0 ? 2 : 1;
    const upload = await reelq.uploads.create(source, { name: "a fox.png", contentType: "image/png", onProgress: (...args) => progress.push(args) });
    assert.deepEqual([upload.url, seen.length], ["upload://abc.png", expected]);
    const { headers, body, url: asked } = seen.at(-1);
    assert.equal(asked, "/v1/uploads?name=a%20fox.png");
    assert.deepEqual([headers["content-type"], headers["content-length"], headers["transfer-encoding"]], ["image/png", "1000000", undefined]);
    assert.ok(body.equals(content));
    assert.deepEqual(progress.at(-1), [1_000_000, 1_000_000]);
    assert.ok(progress.length > 2, `${progress.length} calls`);
  }
  await assert.rejects(reelq.uploads.create(join(folder, "none.png")), ConfigurationError);
});

test("files in a job are uploaded first, each once", async (t) => {
  const { url, seen } = await serving(t, (response, count, request) =>
    json(response, 200, request.url.startsWith("/v1/uploads") ? { url: `upload://${count}.png` } : { id: "1", links: {} }),
  );
  const reelq = new Reelq({ baseUrl: url });
  const fox = new Blob(["a"], { type: "image/png" });
  await reelq.jobs.create({ prompt: "a", first_frame: fox, reference_images: ["https://a.example/b.png", fox, new URL("https://a.example/c.png")] });
  assert.deepEqual(JSON.parse(seen.at(-1).body), {
    prompt: "a",
    first_frame: "upload://1.png",
    reference_images: ["https://a.example/b.png", "upload://1.png", "https://a.example/c.png"],
  });
  assert.equal(seen.length, 2);
});

test("a stream gives up when the API is out of reach for too long, not when the reader is slow", async (t) => {
  const { url, seen } = await serving(t, (response, count) => {
    if (count > 1) return response.destroy();
    response.writeHead(200, { "content-type": "text/event-stream" }).write('retry: 1\n\nid: 1\ndata: {"id": 1}\n\n');
    setTimeout(() => response.destroy(), 20);
  });
  const reelq = new Reelq({ baseUrl: url, maxRetries: 0 });
  const ids = [];
  await assert.rejects(async () => {
    for await (const event of reelq.events({ maxDowntimeMs: 200 })) {
      ids.push(event.id);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }, ConnectionFailed);
  assert.deepEqual(ids, [1]);
  assert.ok(seen.length > 2, `${seen.length} connections`);
  assert.equal(seen.at(-1).headers["last-event-id"], "1");
});

test("the key stays with the API when a file is elsewhere", async (t) => {
  const store = await serving(t, (response) => response.end("video"));
  const { url, seen } = await serving(t, (response) => response.writeHead(302, { location: `${store.url}/fox.mp4` }).end());
  const reelq = new Reelq({ baseUrl: url, apiKey: "rq_a" });
  assert.equal(await (await reelq.jobs.video("1").blob()).text(), "video");
  assert.equal(seen[0].headers.authorization, "Bearer rq_a");
  assert.equal(store.seen[0].headers.authorization, undefined);
});

test("a wait survives an outage, and ends in time without an answer", async (t) => {
  const { url, seen } = await serving(t, (response, count) =>
    count < 4 ? json(response, 503, {}, { "retry-after": "0" }) : json(response, 200, { id: "1", state: "failed", links: {} }),
  );
  assert.equal((await new Reelq({ baseUrl: url, maxRetries: 1 }).jobs.wait("1")).state, "failed");
  assert.equal(seen.length, 4);
  const silent = await serving(t, () => undefined);
  await assert.rejects(new Reelq({ baseUrl: silent.url }).jobs.wait("1", { timeoutMs: 10 }), WaitTimeout);
});
