import { type FileOptions, fileBody, type Source } from "../core/bodies.ts";
import type { Calls } from "../core/calls.ts";
import { BULK_TIMEOUT_MS, type RequestOptions } from "../core/transport.ts";
import type { Pages } from "../core/pages.ts";
import type { JobSpec, Upload } from "../types.ts";

const SINGLE = ["first_frame", "last_frame"] as const;
const LISTS = ["reference_images", "reference_videos", "reference_audios"] as const;

/** What a field of media takes: a URL of any kind as text, or a file that is uploaded first. */
export type Media = string | Blob | URL;

type MediaFields = { [K in (typeof SINGLE)[number]]?: Media | null } & {
  [K in (typeof LISTS)[number]]?: readonly Media[] | null;
};
type WithMedia<T> = T extends unknown ? Omit<T, keyof MediaFields> & MediaFields : never;

/** A job whose pictures, clips and sounds may be files: a Blob or File, or a `file:` URL (Node only). */
export type JobInput = WithMedia<JobSpec>;

export interface UploadOptions extends RequestOptions, FileOptions {
  /** For people. Default: the file's own. */
  name?: string;
}

/** Files for jobs: sent once, used in many jobs of the same tenant. */
export class Uploads {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Store a file: its path or `file:` URL (Node only), a Blob or File, its bytes or a stream. The same content again is the same file. */
  async create(file: Source, options: UploadOptions = {}): Promise<Upload> {
    const { name = nameOf(file), contentType, onProgress, ...request } = options;
    const content = await fileBody(file, { contentType, onProgress });
    const { text } = await this.#calls.transport.text({
      timeoutMs: BULK_TIMEOUT_MS,
      ...request,
      method: "POST",
      path: `/v1/uploads${name ? `?name=${encodeURIComponent(name.slice(-200))}` : ""}`,
      body: content,
      repeatable: true,
    });
    return JSON.parse(text) as Upload;
  }

  /** The tenant's files, newest first. */
  list(options: RequestOptions & { limit?: number } = {}): Pages<Upload> {
    const { limit, ...rest } = options;
    return this.#calls.pages("uploads_list", { ...rest, query: { limit } });
  }

  async get(id: string, options: RequestOptions = {}): Promise<Upload> {
    return this.#calls.call("uploads_get", { ...options, path: { upload_id: id } });
  }

  /** Delete a file that no job needs any more. */
  async delete(id: string, options: RequestOptions = {}): Promise<void> {
    await this.#calls.call("uploads_delete", { ...options, path: { upload_id: id } });
  }
}

function nameOf(file: Source): string | undefined {
  const path = typeof file === "string" ? file : file instanceof URL ? decodeURIComponent(file.pathname) : undefined;
  return path === undefined ? (file as { name?: string }).name || undefined : path.split(/[\\/]/).pop();
}

/** The job with its files uploaded; each file once. */
export async function withUploads(spec: JobInput, uploads: Uploads, options: RequestOptions): Promise<JobSpec> {
  const { signal } = options;
  const sent = new Map<Blob | URL, string>();
  const reference = async (media: Media): Promise<string> => {
    if (typeof media === "string") return media;
    if (media instanceof URL && media.protocol !== "file:") return media.href;
    const url = sent.get(media) ?? (await uploads.create(media, { signal })).url;
    sent.set(media, url);
    return url;
  };
  const found: Record<string, unknown> = { ...spec };
  for (const name of SINGLE) {
    const media = spec[name];
    if (media != null) found[name] = await reference(media);
  }
  for (const name of LISTS) {
    const several = spec[name];
    if (several == null) continue;
    const urls: string[] = [];
    for (const media of several) urls.push(await reference(media));
    found[name] = urls;
  }
  return found as JobSpec;
}
