/** Server-sent events, as the HTML standard describes them. */

export interface Message {
  /** null: none was sent so far. */
  id: string | null;
  event: string;
  data: string;
}

/** The messages in chunks of bytes. `onRetry` gets the time to wait before a new connection, in ms. */
export async function* messagesIn(
  chunks: AsyncIterable<Uint8Array>,
  onRetry: (ms: number) => void = () => undefined,
): AsyncGenerator<Message> {
  const decoder = new TextDecoder(); // takes a byte order mark away
  let rest = "";
  let id: string | null = null;
  let event = "";
  let data: string[] = [];
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, event: event || "message", data: data.join("\n") };
        event = "";
        data = [];
        continue;
      }
      const at = line.indexOf(":");
      const name = at < 0 ? line : line.slice(0, at); // empty: a comment
      const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
      if (name === "data") data.push(value);
      else if (name === "event") event = value;
      else if (name === "id" && !value.includes("\0")) id = value;
      else if (name === "retry" && /^\d+$/.test(value)) onRetry(Number(value));
    }
  }
  // What is left was cut off: it is not a message.
}
