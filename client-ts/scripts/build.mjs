// Builds dist: ES modules, and CommonJS for older programs, each with its types.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript")), "tsc.js");
const compile = (...options) => execFileSync(process.execPath, [compiler, "-p", root, ...options], { stdio: "inherit" });

rmSync(join(root, "dist"), { recursive: true, force: true });
compile();
compile("--module", "commonjs", "--moduleResolution", "node10", "--verbatimModuleSyntax", "false", "--outDir", join(root, "dist/cjs"));
writeFileSync(join(root, "dist/cjs/package.json"), '{ "type": "commonjs" }\n');
