/** Downloads to a path, which resume. Node only. */
import type { Progress } from "../core/bodies.ts";
import { ApiError, ConnectionFailed, DownloadFailed } from "../core/errors.ts";
import { delayAfter } from "../core/retries.ts";
import { nodeFiles } from "../core/runtime.ts";
import { chunksOf, sleep, type Watch } from "../core/time.ts";

/** What a job states about a file; undefined or null: nothing. */
export interface Expected {
  bytes?: number | null;
  sha256?: string | null;
}

type Open = (headers: Record<string, string>) => Promise<{ response: Response; watch: Watch }>;
type Opened = Awaited<ReturnType<Open>>;

/** Breaks in a row, without a byte in between. */
const MAX_BREAKS = 5;

interface Saving {
  signal?: AbortSignal | undefined;
  onProgress?: Progress | undefined;
}

/** Save a file and return its length in bytes. Throws DownloadFailed if it never arrives as the job states it. */
export async function saveFile(
  open: Open,
  expected: Expected,
  path: string | URL,
  saving: Saving,
  idleMs: number,
): Promise<number> {
  const { fs, crypto, url } = await nodeFiles();
  const target = typeof path === "string" ? path : url.fileURLToPath(path);
  const part = `${target}.part`;
  for (let round = 0; ; round++) {
    // What another run left is only good for something if its content can be checked.
    const left = expected.sha256 && round === 0 ? await fs.stat(part).then((found) => found.size, () => 0) : 0;
    const handle = await fs.open(part, left > 0 ? "r+" : "w");
    let bytes: number;
    try {
      bytes = await download(open, handle, left, expected, saving, idleMs);
      await handle.truncate(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const fault = await faultOf(part, bytes);
    if (fault === null) {
      await fs.rename(part, target);
      return bytes;
    }
    await fs.rm(part, { force: true });
    if (left === 0) throw new DownloadFailed(`${target}: ${fault}`);
  }

  async function faultOf(file: string, bytes: number): Promise<string | null> {
    if (expected.bytes != null && bytes !== expected.bytes) return `has ${bytes} bytes instead of ${expected.bytes}`;
    if (!expected.sha256) return null;
    const hash = crypto.createHash("sha256");
    const whole = await fs.open(file);
    try {
      for await (const chunk of whole.createReadStream({ autoClose: false })) hash.update(chunk as Uint8Array);
    } finally {
      await whole.close();
    }
    const found = hash.digest("hex");
    return found === expected.sha256 ? null : `has the SHA-256 ${found} instead of ${expected.sha256}`;
  }
}

type Handle = import("node:fs/promises").FileHandle;

async function download(
  open: Open,
  handle: Handle,
  start: number,
  expected: Expected,
  { signal, onProgress }: Saving,
  idleMs: number,
): Promise<number> {
  let at = start;
  let etag: string | null = null;
  let breaks = 0;
  while (true) {
    if (at > 0 && at === expected.bytes) return at;
    try {
      const opened = await reopen(open, at, etag);
      if (opened === null) return at;
      const { response, watch } = opened;
      // Otherwise the whole file comes: the store knows no ranges, or it is another file.
      if (at > 0 && startOf(response) !== at) at = 0;
      etag = strong(response.headers.get("etag"));
      const length = Number(response.headers.get("content-length") ?? NaN);
      const total = Number.isNaN(length) || response.headers.has("content-encoding") ? null : at + length;
      for await (const chunk of chunksOf(response.body ?? new Blob([]).stream(), watch, idleMs)) {
        await write(handle, chunk, at);
        at += chunk.byteLength;
        breaks = 0;
        onProgress?.(at, total ?? expected.bytes ?? null);
      }
      if (total === null || at >= total) return at;
      throw new ConnectionFailed(`the connection ended after ${at} of ${total} bytes`);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ApiError || error instanceof DownloadFailed) throw error;
      if (++breaks > MAX_BREAKS) {
        throw new DownloadFailed(`broken off after ${at} bytes: ${(error as Error).message}`, { cause: error });
      }
      // Without a hash and without a version, the rest could be that of another file.
      if (etag === null && !expected.sha256) at = 0;
      await sleep(delayAfter(null, breaks) ?? 0, signal);
    }
  }
}

async function write(handle: Handle, chunk: Uint8Array, at: number): Promise<void> {
  let bytes: number;
  try {
    bytes = (await handle.write(chunk, 0, chunk.byteLength, at)).bytesWritten;
  } catch (error) {
    throw new DownloadFailed(`cannot be written: ${(error as Error).message}`, { cause: error });
  }
  if (bytes < chunk.byteLength) throw new DownloadFailed("cannot be written: the disk is full");
}

/** Open the rest of a file; null: there is no rest. */
async function reopen(open: Open, at: number, etag: string | null): Promise<Opened | null> {
  if (at === 0) return open({});
  try {
    return await open({ range: `bytes=${at}-`, ...(etag === null ? {} : { "if-range": etag }) });
  } catch (error) {
    if (error instanceof ApiError && error.status === 416) return null;
    throw error;
  }
}

/** Where the bytes of an answer start; 0: it is the whole file. */
function startOf(response: Response): number {
  const found = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  return response.status === 206 && found ? Number(found[1]) : 0;
}

/** A weak ETag must not be used to continue a file. */
function strong(etag: string | null): string | null {
  return etag?.startsWith("W/") ? null : etag;
}
