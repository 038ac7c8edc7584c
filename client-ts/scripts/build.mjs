// Builds dist: ES modules, and CommonJS for older programs, each with its types.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript")), "tsc.js");
const compile = (...options) => execFileSync(process.execPath, [compiler, "-p", root, ...options], { stdio: "inherit" });

rmSync(dist, { recursive: true, force: true });
compile();
compile("--module", "commonjs", "--moduleResolution", "node10", "--verbatimModuleSyntax", "false", "--outDir", join(dist, "cjs"));
writeFileSync(join(dist, "cjs", "package.json"), '{ "type": "commonjs" }\n');
// The compiler leaves the .ts of an import in declarations, which older compilers refuse.
for (const name of readdirSync(dist, { recursive: true })) {
  if (!name.endsWith(".d.ts")) continue;
  const path = join(dist, name);
  writeFileSync(path, readFileSync(path, "utf8").replace(/((?:from |import\()"\.[^"]+)\.ts"/g, '$1.js"'));
}
