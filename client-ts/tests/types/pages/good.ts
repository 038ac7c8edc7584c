// What must compile, as a browser's program would: without Node's types, and with the package's own types checked.
import {
  ApiError,
  type Campaign,
  type Job,
  type JobEvent,
  type JobInput,
  type JobSpec,
  Reelq,
  sheetOf,
  verifyWebhook,
  type WebhookEvent,
} from "@reelq/client";

const reelq = new Reelq({ baseUrl: "https://reelq.example", apiKey: "rq_…", timeoutMs: 10_000, fetch });

export async function jobs(signal: AbortSignal, file: File): Promise<string | null> {
  const spec: JobSpec = { prompt: "a red fox", duration: 5, resolution: "720p", ratio: "16:9", tags: ["spring"] };
  const job: Job = await reelq.jobs.create(spec, { idempotencyKey: "fox-1", signal });
  const withFile: JobInput = { prompt: "a red fox", first_frame: file, reference_images: [file, "https://a.example/b.png"] };
  await reelq.jobs.create({ ...withFile, metadata: { sku: "A-17", sizes: [1, 2] }, deadline: 3600 });
  await reelq.jobs.create({ draft_of: job.id });
  await reelq.jobs.createMany([spec, withFile], { partial: true, signal });
  for await (const item of reelq.jobs.list({ state: ["failed", "cancelled"], campaign: "spring", limit: 200 })) {
    const code: string | undefined = item.error?.code;
    console.log(item.id, item.state === "failed" && code);
  }
  for await (const event of reelq.jobs.events(job.id, { after: 5, signal })) {
    const { target, at }: JobEvent = event;
    if (target === "succeeded") return at;
  }
  await reelq.jobs.finalize(job.id, { resolution: "1080p" });
  await reelq.jobs.resolve(job.id, { action: "adopt", task_id: "task_1" });
  await reelq.jobs.video(job.id).save("fox.mp4", { onProgress: (bytes, total) => console.log(bytes / (total ?? 1)) });
  const done = await reelq.jobs.wait(job.id, { timeoutMs: 60_000 });
  return done.video_url;
}

export async function campaigns(): Promise<Campaign> {
  const rows: JobSpec[] = [{ prompt: "a red fox" }];
  const plan = await reelq.campaigns.plan(rows, { name: "spring", budget: "100 CNY" });
  console.log(plan.cost.high, plan.budget?.pays_for);
  await reelq.campaigns.run("spring", rows, { paused: true, weight: 2 });
  await reelq.campaigns.run("shoes", [{ sku: "A", colour: "red" }], { prompt: "a {{ colour }} shoe" });
  await reelq.campaigns.run("pets", sheetOf("prompt\na cat\n"));
  return reelq.campaigns.wait("spring");
}

export async function routes(): Promise<void> {
  const { name }: { name: string } = await reelq.call("tenant_get", {});
  const key = await reelq.call("keys_create", { body: { name, scopes: ["read"] } });
  const nothing: undefined = await reelq.call("keys_revoke", { path: { key_id: key.id } });
  const text: string = await reelq.call("campaigns_manifest", { path: { name: "spring" }, query: { link_seconds: 60 } });
  await reelq.call("jobs_cancel", { path: { job_id: "1" } });
  console.log(nothing, text);
}

export async function webhook(request: Request): Promise<string> {
  const event: WebhookEvent = await verifyWebhook(await request.text(), request.headers, "whsec_…");
  if (event.type === "campaign.finished") return event.data.name;
  return event.type === "job.succeeded" ? event.data.id : event.type;
}

export function status(error: unknown): number | undefined {
  return error instanceof ApiError ? error.status : undefined;
}
