import type { Arguments, Calls } from "../core/calls.ts";
import { ConfigurationError } from "../core/errors.ts";
import { nodeFiles } from "../core/runtime.ts";
import { BULK_TIMEOUT_MS, type RequestOptions } from "../core/transport.ts";
import { type MadeFile, StoredFile } from "../files/stored_file.ts";
import type { NewShare, ResultRow, Share } from "../types.ts";
import type { Jobs } from "./jobs.ts";

export type ExportOptions = NonNullable<Arguments<"campaigns_export">["query"]>;
export type SheetOptions = NonNullable<Arguments<"campaigns_sheet">["query"]>;
export type RowFilter = { [K in "state" | "review"]?: ExportOptions[K] | undefined };
export type CampaignDownloadOptions = RequestOptions &
  RowFilter & {
    /** The name of a row's video below the folder. Default: the row's key, else its number. */
    fileName?: (row: ResultRow) => string;
  };

/** What became of the rows of campaigns. */
export class Results {
  readonly #calls: Calls;
  readonly #jobs: Jobs;

  constructor(calls: Calls, jobs: Jobs) {
    this.#calls = calls;
    this.#jobs = jobs;
  }

  /** The campaign's sheet with the results beside each row, as xlsx, csv or jsonl: `.save(path)`, `.blob()`. */
  export(name: string, options: ExportOptions = {}): MadeFile {
    return new StoredFile(this.#calls, "campaigns_export", { name }, options, undefined, false);
  }

  /** A page with all videos of the campaign, which opens from disk: `.save(path)`, `.blob()`. */
  sheet(name: string, options: SheetOptions = {}): MadeFile {
    return new StoredFile(this.#calls, "campaigns_sheet", { name }, options, undefined, false);
  }

  /** Every row with the job that stands for it, in the order of the sheet. */
  async results(name: string, options: RequestOptions & RowFilter = {}): Promise<ResultRow[]> {
    const { state, review, timeoutMs = BULK_TIMEOUT_MS, ...rest } = options;
    const query = { format: "jsonl" as const, state, review };
    const file = await new StoredFile(this.#calls, "campaigns_export", { name }, query, undefined, false).blob({ ...rest, timeoutMs });
    const lines = (await file.text()).split("\n").filter((line) => line);
    return lines.map((line) => JSON.parse(line) as ResultRow);
  }

  /** Download every video of a campaign into a folder (Node only), and return the paths. Whole files that are there are kept. */
  async download(name: string, folder: string, options: CampaignDownloadOptions = {}): Promise<string[]> {
    const { fileName = plainName, state, review, ...request } = options;
    const { fs, path, crypto } = await nodeFiles();
    const rows = await this.results(name, { ...request, state, review });
    const found = new Map<string, ResultRow>();
    for (const row of rows.filter((item) => item.video_url !== null)) {
      const below = path.normalize(fileName(row));
      if (!below || path.isAbsolute(below) || below.split(path.sep).includes("..") || below === ".") {
        throw new ConfigurationError(`row ${row.row}: "${below}" is no name of a file below the folder`);
      }
      const other = found.get(path.join(folder, below));
      if (other) throw new ConfigurationError(`rows ${other.row} and ${row.row} have the same file name, ${below}`);
      found.set(path.join(folder, below), row);
    }
    for (const [target, row] of found) {
      const present = await fs.readFile(target).catch(() => null);
      if (present && present.length === row.size_bytes && hashOf(present) === (row.sha256 ?? hashOf(present))) continue;
      await fs.mkdir(path.dirname(target), { recursive: true });
      await this.#jobs.video(row.id).save(target, request);
    }
    return [...found.keys()];

    function hashOf(content: Uint8Array): string {
      return crypto.createHash("sha256").update(content).digest("hex");
    }
  }

  /** Make a link to a page with the campaign's videos. It needs no key, can change nothing, and expires after `days` (7). */
  async share(name: string, link: Arguments<"campaigns_share">["body"] = {}, options: RequestOptions = {}): Promise<NewShare> {
    return this.#calls.call("campaigns_share", { ...options, path: { name }, body: link });
  }

  /** The links of a campaign, newest first, without their URLs. */
  async shares(name: string, options: RequestOptions = {}): Promise<Share[]> {
    return (await this.#calls.call("campaigns_shares", { ...options, path: { name } })).data;
  }

  /** End a link now. */
  async revokeShare(name: string, shareId: string, options: RequestOptions = {}): Promise<void> {
    await this.#calls.call("campaigns_revoke_share", { ...options, path: { name, share_id: shareId } });
  }
}

function plainName(row: ResultRow): string {
  const suffix = /\.\w+$/.exec(row.object_key ?? "")?.[0] ?? ".mp4";
  const parts = [row.key ?? `row-${row.row}`, row.variant].filter((part) => part);
  return parts.join("_").replace(/[<>:"/\\|?*\u0000-\u001f]/g, "-") + suffix;
}
