/** What differs between Node, browsers and edge runtimes. */
import { ConfigurationError } from "./errors.ts";

type Process = { env?: Record<string, string | undefined>; versions?: { node?: string } };

const process = (globalThis as { process?: Process }).process;

/** Whether a browser's rules apply: a page, or one of its workers. */
export const inBrowser = "XMLHttpRequest" in globalThis;

/** A variable of the environment; undefined where there is none. */
export function environment(name: string): string | undefined {
  return process?.env?.[name]?.trim() || undefined;
}

// A name in a variable, so that bundlers for browsers do not look for the module.
function load(name: string): Promise<unknown> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ name);
}

/** Web Crypto: a global, except in Node 18. */
export async function webCrypto(): Promise<Crypto> {
  if (globalThis.crypto?.subtle) return globalThis.crypto;
  if (process?.versions?.node) return ((await load("node:crypto")) as { webcrypto: Crypto }).webcrypto;
  throw new ConfigurationError("Web Crypto is missing: browsers have it on pages served over HTTPS or from localhost");
}

/**
 * Node's modules for files.
 * @internal
 */
export async function nodeFiles(): Promise<{
  fs: typeof import("node:fs/promises");
  crypto: typeof import("node:crypto");
  url: typeof import("node:url");
  path: typeof import("node:path");
}> {
  if (!process?.versions?.node) {
    throw new ConfigurationError("files have paths in Node only; use blob() or response() here");
  }
  const modules = ["node:fs/promises", "node:crypto", "node:url", "node:path"];
  const [fs, crypto, url, path] = await Promise.all(modules.map(load));
  return { fs, crypto, url, path } as Awaited<ReturnType<typeof nodeFiles>>;
}

/** A key that no other request has: 128 random bits. */
export async function randomKey(): Promise<string> {
  // randomUUID is missing on pages without TLS; getRandomValues is not.
  const source = globalThis.crypto ?? (await webCrypto());
  const bytes = source.getRandomValues(new Uint8Array(16));
  return `auto-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
