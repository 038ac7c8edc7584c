// What must not compile: each line below a mark must have an error.
import { type Job, Reelq, verifyWebhook } from "@reelq/client";

const reelq = new Reelq({ baseUrl: "https://reelq.example" });
declare const job: Job;

// @ts-expect-error -- a misspelt field
void reelq.jobs.create({ prompt: "a", durration: 5 });
// @ts-expect-error -- text instead of a number
void reelq.jobs.create({ prompt: "a", duration: "5" });
// @ts-expect-error -- neither a prompt nor a draft
void reelq.jobs.create({ duration: 5 });
// @ts-expect-error -- no such resolution
void reelq.jobs.create({ prompt: "a", resolution: "8k" });
// @ts-expect-error -- a number is no picture
void reelq.jobs.create({ prompt: "a", first_frame: 5 });
// @ts-expect-error -- a misspelt field in one of many
void reelq.jobs.createMany([{ prompt: "a" }, { prompt: "b", prioriti: 5 }]);
// @ts-expect-error -- no such state
void reelq.jobs.list({ state: ["done"] });
// @ts-expect-error -- no such filter
void reelq.jobs.list({ campaing: "spring" });
// @ts-expect-error -- columns of one's own need a prompt, a template, a mapping or a key
void reelq.campaigns.run("spring", [{ sku: "A" }]);
// @ts-expect-error -- a misspelt field of a row
void reelq.campaigns.plan([{ prompt: "a", durration: 5 }]);
// @ts-expect-error -- no such option
new Reelq({ baseURL: "https://reelq.example" });
// @ts-expect-error -- no such action
void reelq.jobs.resolve("1", { action: "accept" });
// @ts-expect-error -- no such route
void reelq.call("jobs_delete", {});
// @ts-expect-error -- a missing id
void reelq.call("jobs_get", {});
// @ts-expect-error -- a missing body
void reelq.call("keys_create", {});
// @ts-expect-error -- a parsed body cannot be verified
void verifyWebhook({ type: "job.succeeded" }, new Headers(), "whsec_…");
// @ts-expect-error -- a job may have no error
void job.error.code;
// @ts-expect-error -- no such field
void job.status;
