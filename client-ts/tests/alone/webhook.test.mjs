import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { verifyWebhook, WebhookVerificationError } from "#client";

const SECRET = `whsec_${Buffer.from("a secret of thirty-two characters").toString("base64")}`;
const BODY = '{"type":"job.succeeded","timestamp":"2030-01-31T18:00:00Z","data":{"state":"succeeded","prompt":"猫"}}';
const now = () => Math.floor(Date.now() / 1000);

function signed(body = BODY, { secret = SECRET, at = now(), id = "msg_1" } = {}) {
  const key = Buffer.from(secret.slice(6), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": `v1,${signature}` };
}

test("a delivery is verified, whatever form its body and its headers have", async () => {
  const headers = signed();
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]));
  const bytes = new TextEncoder().encode(BODY);
  for (const body of [BODY, Buffer.from(BODY), bytes, bytes.buffer]) {
    for (const given of [headers, new Headers(headers), upper]) {
      const event = await verifyWebhook(body, given, SECRET);
      assert.deepEqual([event.type, event.data.prompt], ["job.succeeded", "猫"]);
    }
  }
});

test("while a secret is being replaced, either one will do", async () => {
  const fresh = `whsec_${Buffer.from("another secret").toString("base64")}`;
  const both = { ...signed(), "webhook-signature": `${signed(BODY, { secret: fresh })["webhook-signature"]} ${signed()["webhook-signature"]}` };
  for (const secret of [SECRET, fresh, [SECRET, fresh], `${fresh} ${SECRET}`]) await verifyWebhook(BODY, both, secret);
  await verifyWebhook(BODY, signed(BODY, { secret: fresh }), [SECRET, fresh]);
});

test("everything else is refused", async () => {
  const good = signed();
  const signature = good["webhook-signature"];
  const flipped = signature.slice(0, 3) + (signature[3] === "A" ? "B" : "A") + signature.slice(4);
  const refused = [
    [BODY.replace("succeeded", "failed"), good],
    [`${BODY} `, good],
    [BODY, signed(BODY, { at: now() - 301 })],
    [BODY, signed(BODY, { at: now() + 301 })],
    [BODY, signed(BODY, { secret: `whsec_${Buffer.from("wrong").toString("base64")}` })],
    [BODY, { ...good, "webhook-id": "msg_2" }],
    [BODY, { ...good, "webhook-timestamp": String(now() - 1) }],
    [BODY, { ...good, "webhook-timestamp": "NaN" }],
    [BODY, { ...good, "webhook-signature": flipped }],
    [BODY, { ...good, "webhook-signature": signature.replace("v1,", "v2,") }],
    [BODY, { ...good, "webhook-signature": "v1," }],
    [BODY, { ...good, "webhook-signature": "v1,not base64!" }],
    [BODY, { ...good, "webhook-signature": undefined }],
    [JSON.parse(BODY), good],
    ["not json", signed("not json")],
  ];
  for (const [body, headers] of refused) {
    await assert.rejects(verifyWebhook(body, headers, SECRET), WebhookVerificationError, JSON.stringify([body, headers]));
  }
  for (const secret of ["", "whsec_", "whsec_!", []]) {
    await assert.rejects(verifyWebhook(BODY, good, secret), WebhookVerificationError, JSON.stringify(secret));
  }
});
