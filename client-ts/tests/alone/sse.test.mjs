import assert from "node:assert/strict";
import { test } from "node:test";
import { messagesIn } from "#sse";

async function parsed(text, size, retries = []) {
  const bytes = new TextEncoder().encode(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const found = [];
  for await (const message of messagesIn(chunks(), (ms) => retries.push(ms))) found.push(message);
  return found;
}

test("messages are the same however the bytes are cut, and with each kind of line end", async () => {
  const text = '\ufeffretry: 250\n\n: comment\nid: 1\ndata: {"a": "猫"}\n\nevent: other\ndata:x\ndata: y\nid: 2\n\ndata\n\nid: 3\n\ndata: cut off\n';
  const expected = [
    { id: "1", event: "message", data: '{"a": "猫"}' },
    { id: "2", event: "other", data: "x\ny" },
    { id: "2", event: "message", data: "" },
  ];
  for (const end of ["\n", "\r\n", "\r"]) {
    for (const size of [1, 2, 3, 7, 1000]) {
      const retries = [];
      assert.deepEqual(await parsed(text.replaceAll("\n", end), size, retries), expected, `${JSON.stringify(end)} ${size}`);
      assert.deepEqual(retries, [250]);
    }
  }
});
