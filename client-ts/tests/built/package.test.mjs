// The package as others import it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as module from "@reelq/client";

test("CommonJS has the same names as the ES module, and works", () => {
  const common = createRequire(import.meta.url)("@reelq/client");
  assert.deepEqual(Object.keys(common).sort(), Object.keys(module).sort());
  for (const { Reelq } of [module, common]) assert.ok(new Reelq({ baseUrl: "http://a.example" }).jobs);
});
