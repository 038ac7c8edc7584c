// A proxy that fails as the test wants, in front of the real API.
import { createServer, request } from "node:http";
import { once } from "node:events";

/**
 * `rule(request, count)` says what happens to a request, `count` from 1:
 * undefined: it is forwarded; "refuse": the connection ends at once; "lose": it is forwarded, its answer is lost;
 * {status, headers}: this answer; {cutAfter}: the answer ends after that many bytes; {url}: it asks for that path instead.
 */
export async function proxyTo(target, rule) {
  const seen = [];
  const server = createServer(async (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    seen.push({ method, url, headers, body: Buffer.concat(chunks) });
    const what = rule({ method, url, headers }, seen.length);
    if (what === "refuse") return incoming.socket.destroy();
    if (what?.status) return outgoing.writeHead(what.status, what.headers).end(what.body ?? "");
    const forwarded = request(new URL(what?.url ?? url, target), { method, headers: { ...headers, host: new URL(target).host } });
    forwarded.on("error", () => outgoing.destroy());
    forwarded.end(Buffer.concat(chunks));
    const [answer] = await once(forwarded, "response");
    if (what === "lose") {
      for await (const _ of answer);
      return incoming.socket.destroy();
    }
    outgoing.writeHead(answer.statusCode, answer.headers);
    outgoing.flushHeaders();
    outgoing.on("close", () => forwarded.destroy());
    answer.on("error", () => outgoing.destroy());
    let sent = 0;
    let cut = false;
    answer.on("data", (chunk) => {
      // Streams ask for two seconds before a new connection, which tests do not have.
      const text = Buffer.from(chunk.toString("latin1").replace(/^retry: \d+\n/, "retry: 20\n"), "latin1");
      const left = (what?.cutAfter ?? Infinity) - sent;
      sent += text.length;
      if (cut) return;
      cut = text.length >= left;
      outgoing.write(text.subarray(0, left), () => cut && outgoing.destroy());
    });
    answer.on("end", () => cut || outgoing.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
