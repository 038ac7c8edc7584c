// Generates a TypeScript client with @hey-api/openapi-ts and compiles it: `node generate.mjs openapi.json`.
import { createClient } from "@hey-api/openapi-ts";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";

rmSync("build/heyapi", { recursive: true, force: true });
await createClient({
  input: process.argv[2],
  output: { path: "build/heyapi/src", importFileExtension: ".js" },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
  logs: { level: "warn" },
});
const options = "--strict --target es2022 --lib es2023,dom,dom.iterable --module nodenext --skipLibCheck";
execFileSync(process.execPath, [
  "node_modules/typescript/lib/tsc.js",
  ...options.split(" "),
  "--outDir",
  "build/heyapi/dist",
  "build/heyapi/src/index.ts",
  "build/heyapi/src/client.gen.ts",
], { stdio: "inherit" });
