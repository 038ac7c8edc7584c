// A program in Node, without the types of the DOM.
import { createServer, type IncomingMessage } from "node:http";
import { Reelq, verifyWebhook } from "@reelq/client";

const reelq = new Reelq();

async function received(request: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const event = await verifyWebhook(Buffer.concat(chunks), request.headers, "whsec_…");
  if (event.type === "job.succeeded") await reelq.jobs.video(event.data.id).save(`${event.data.id}.mp4`);
}

createServer((request, response) => {
  received(request).then(
    () => response.writeHead(204).end(),
    () => response.writeHead(400).end(),
  );
}).listen(8000);

await reelq.jobs.create({ prompt: "a red fox", first_frame: new URL("fox.png", import.meta.url) });
await reelq.uploads.create(Buffer.from("…"), { contentType: "image/png" });
for await (const event of reelq.events()) console.log(event.target);
