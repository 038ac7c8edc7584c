import type { Source } from "../core/bodies.ts";

/** Rows as people keep them: JSONL, CSV or a workbook, as a path (Node only), a Blob or File, bytes or a stream. */
export interface Sheet {
  content: Source;
  /** Its media type. Default: by the name, or the type of the Blob. */
  type?: string | undefined;
}

/** CSV, JSONL or other text that is in memory. */
export function sheetOf(text: string, type = "text/csv"): Sheet {
  return { content: new Blob([text]), type };
}
