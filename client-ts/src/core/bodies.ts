/** Bodies of requests: JSON, text, bytes, files and streams, with progress. */
import { ConfigurationError } from "./errors.ts";
import { inBrowser, nodeFiles } from "./runtime.ts";

/** Called with the bytes so far, and all of them (null: not known). */
export type Progress = (bytes: number, total: number | null) => void;
/** A file: its path (Node only), a Blob or File, its bytes, or a stream of them. */
export type Source = string | URL | Blob | ArrayBuffer | ArrayBufferView | ReadableStream<Uint8Array>;

type Content = string | Blob | Uint8Array | ReadableStream<Uint8Array>;

export interface Body {
  type: string;
  /** In bytes; null: not known. */
  size: number | null;
  /** Whether it can be sent twice. */
  reopens: boolean;
  content: () => Promise<Content>;
  progress?: Progress | undefined;
}

const CHUNK_BYTES = 256 * 1024;
const TYPES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  bmp: "image/bmp",
  tif: "image/tiff",
  tiff: "image/tiff",
  heic: "image/heic",
  heif: "image/heif",
  mp4: "video/mp4",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  csv: "text/csv",
  jsonl: "application/x-ndjson",
  json: "application/json",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xls: "application/vnd.ms-excel",
  ods: "application/vnd.oasis.opendocument.spreadsheet",
};

export function jsonBody(value: unknown): Body {
  const text = JSON.stringify(value);
  return { type: "application/json", size: null, reopens: true, content: async () => text };
}

export interface FileOptions {
  /** Default: by the name. */
  contentType?: string | undefined;
  onProgress?: Progress | undefined;
}

/** The media type of a file, by the end of its name; undefined: not known. */
export function typeOf(name: string): string | undefined {
  return TYPES[/\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? ""];
}

/** A file as a body. Throws a ConfigurationError if it cannot be read. */
export async function fileBody(source: Source, options: FileOptions = {}): Promise<Body> {
  const name = typeof source === "string" ? source : source instanceof URL ? source.pathname : nameOf(source);
  const shared = { type: options.contentType ?? typeOf(name) ?? blobType(source), progress: options.onProgress };
  if (typeof source === "string" || source instanceof URL) return { ...shared, ...(await fromPath(source)) };
  if (source instanceof Blob) return { ...shared, size: source.size, reopens: true, content: async () => source };
  if (source instanceof ReadableStream) return { ...shared, size: null, reopens: false, content: async () => source };
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
  return { ...shared, size: bytes.byteLength, reopens: true, content: async () => bytes };
}

function nameOf(source: Source): string {
  return String((source as { name?: unknown }).name ?? "");
}

function blobType(source: Source): string {
  return (source instanceof Blob && source.type) || "application/octet-stream";
}

type FileHandle = import("node:fs/promises").FileHandle;

async function fromPath(path: string | URL): Promise<Pick<Body, "size" | "reopens" | "content">> {
  const { fs } = await nodeFiles();
  const found = await fs.stat(path).catch((error: Error) => {
    throw new ConfigurationError(`${String(path)}: cannot be read: ${error.message}`, { cause: error });
  });
  if (!found.isFile()) throw new ConfigurationError(`${String(path)}: is not a file`);
  const content = async () => {
    let handle: FileHandle | undefined; // opened when it is read, so that a body that is never sent leaves nothing open
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        handle ??= await fs.open(path);
        const { bytesRead, buffer } = await handle.read(new Uint8Array(CHUNK_BYTES), 0, CHUNK_BYTES);
        if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
        await handle.close();
        controller.close();
      },
      cancel: () => handle?.close(),
    });
  };
  return { size: found.size, reopens: true, content };
}

/** Send a body. Where no one asks for progress, or the runtime cannot report it, it is reported once, at the end. */
export async function sendWithProgress(send: typeof fetch, url: string, init: RequestInit, body: Body): Promise<Response> {
  const content = await body.content();
  const { progress } = body;
  if (progress && inBrowser && !(content instanceof ReadableStream)) {
    return sendByXhr(url, init, content, progress, body.size);
  }
  const stream = content instanceof ReadableStream ? content : streamOf(content);
  if (stream && (content instanceof ReadableStream || (progress && canStream()))) {
    const headers = { ...(init.headers as Record<string, string>) };
    if (body.size !== null && canStream()) headers["content-length"] = String(body.size);
    const counted = progress ? stream.pipeThrough(counter(progress, body.size)) : stream;
    return send(url, { ...init, headers, body: counted, duplex: "half" } as RequestInit);
  }
  const response = await send(url, { ...init, body: content as BodyInit });
  progress?.(body.size ?? 0, body.size);
  return response;
}

/** Node can stream a body of known length over HTTP/1.1; browsers cannot. */
function canStream(): boolean {
  return !inBrowser && "process" in globalThis;
}

/** The content piece by piece, as the connection takes it; null: it is short. */
function streamOf(content: Content): ReadableStream<Uint8Array> | null {
  if (!(content instanceof Blob || content instanceof Uint8Array)) return null;
  const whole = content instanceof Blob ? content : new Blob([content as BlobPart]);
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at >= whole.size) return controller.close();
      controller.enqueue(new Uint8Array(await whole.slice(at, (at += CHUNK_BYTES)).arrayBuffer()));
    },
  });
}

function counter(progress: Progress, total: number | null): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      controller.enqueue(chunk);
      progress(bytes, total);
    },
  });
}

function sendByXhr(
  url: string,
  init: RequestInit,
  content: Exclude<Content, ReadableStream>,
  progress: Progress,
  total: number | null,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const { signal } = init;
    const abort = () => xhr.abort();
    xhr.open(init.method ?? "POST", url);
    xhr.responseType = "blob";
    for (const [name, value] of Object.entries(init.headers as Record<string, string>)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => progress(event.loaded, total ?? event.total);
    xhr.onload = () => {
      const headers = new Headers();
      for (const line of xhr.getAllResponseHeaders().trim().split(/\r?\n/)) {
        const at = line.indexOf(":");
        if (at > 0) headers.append(line.slice(0, at), line.slice(at + 1).trim());
      }
      const empty = xhr.status === 204 || xhr.status === 304;
      resolve(new Response(empty ? null : (xhr.response as Blob), { status: xhr.status, statusText: xhr.statusText, headers }));
    };
    xhr.onerror = () => reject(new TypeError("the connection failed"));
    xhr.onabort = () => reject(signal?.reason);
    xhr.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    xhr.send(content as XMLHttpRequestBodyInit);
  });
}
