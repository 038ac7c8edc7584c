// Writes src/generated from the description on standard input: `python -m tests.openapi_document | npm run generate`.
// With a folder as argument, writes there instead.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import openapiTS, { astToString } from "openapi-typescript";

const folder = process.argv[2] ?? new URL("../src/generated", import.meta.url).pathname;
let text = "";
for await (const chunk of process.stdin) text += chunk;
const { digest, document } = JSON.parse(text);
const head = `// Generated from /openapi.json by \`make client-ts-types\`; do not edit.\n// Types: ${digest}\n\n`;

const routes = [];
const keyed = [];
for (const [path, methods] of Object.entries(document.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    routes.push(`  ${operation.operationId}: ["${method.toUpperCase()}", "${path}"],\n`);
    if (operation.parameters?.some(({ name }) => name === "Idempotency-Key")) keyed.push(`  "${operation.operationId}",\n`);
    // Every error has the same form, ProblemDetails; ApiError carries it.
    for (const status of Object.keys(operation.responses)) {
      if (!/^2/.test(status)) delete operation.responses[status];
    }
  }
}
const types = astToString(await openapiTS(document, { defaultNonNullable: false, emptyObjectsUnknown: true }));
const brief = types
  .replace(/^export interface paths \{[\s\S]*?^\}\n/m, "")
  .replace(/^export type (webhooks|\$defs) = .*\n/gm, "")
  .replace(/^ +(responses|parameters|requestBodies|headers|pathItems): never;\n/gm, "")
  .replace(/^ +headers: \{\n +\[name: string\]: unknown;\n +\};\n/gm, "")
  .replace(/^ +cookie\?: never;\n/gm, "")
  .replace(/^ +\/\*\* [A-Z][\w ]* \*\/\n(?= +\w+\??:)/gm, "") // a title only repeats the name
  .replace(/^ +\* (?:@default null|[A-Z][\w ]*(?=\n +\* @(?:default|format|description)))\n/gm, "")
  .replace(/^ +\/\*\*\n +\*\/\n/gm, "");
await mkdir(folder, { recursive: true });
await writeFile(join(folder, "schema.ts"), head + brief);
await writeFile(
  join(folder, "routes.ts"),
  `${head}/** Method and path of every route, by its operation id. */\nexport const ROUTES = {\n${routes.join("")}} as const;\n\n` +
    `/** Routes that take an Idempotency-Key. */\nexport const KEYED: ReadonlySet<string> = new Set([\n${keyed.join("")}]);\n`,
);
