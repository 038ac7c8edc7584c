"""Programs beside the routes that backends use first: curl for each route, Python and TypeScript for these."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

FIELD = "x-codeSamples"
"""The extension that pages for APIs read; it holds `lang`, `label` and `source`."""
_BASE = "http://127.0.0.1:8080"
_PYTHON = "from reelq_client import Reelq\n\nwith Reelq() as reelq:  # REELQ_API_URL, REELQ_API_KEY\n"
_TYPESCRIPT = (
    'import { Reelq } from "@reelq/client";\n\n'
    "const reelq = new Reelq({ baseUrl: process.env.REELQ_API_URL, apiKey: process.env.REELQ_API_KEY });\n"
)
_PROGRAMS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("post", "/v1/jobs"): (
        'job = reelq.jobs.create(prompt="a red fox runs through fresh snow", duration=5)\nprint(job.id, job.state)',
        'const job = await reelq.jobs.create({ prompt: "a red fox runs through fresh snow", duration: 5 });\n'
        "console.log(job.id, job.state);",
    ),
    ("get", "/v1/jobs/{job_id}"): (
        "job = reelq.jobs.wait(job_id, timeout=900)\nprint(job.state, job.error)",
        "const job = await reelq.jobs.get(jobId);\nconsole.log(job.state, job.error);",
    ),
    ("get", "/v1/jobs/{job_id}/video"): ('reelq.jobs.video(job_id).save("fox.mp4")', ""),
    ("post", "/v1/jobs/{job_id}/cancel"): ("reelq.jobs.cancel(job_id)", "await reelq.jobs.cancel(jobId);"),
    ("post", "/v1/uploads"): (
        'file = reelq.uploads.create("bottle.png")\n'
        'job = reelq.jobs.create(prompt="the bottle turns slowly", first_frame=file.url)\nprint(job.id)',
        'const file = await reelq.uploads.create("bottle.png");\n'
        'const job = await reelq.jobs.create({ prompt: "the bottle turns slowly", first_frame: file.url });\n'
        "console.log(job.id);",
    ),
    ("post", "/v1/campaigns/plan"): (
        'plan = reelq.campaigns.plan("spring.csv", name="spring", budget="100 USD")\nprint(plan.bad, plan.cost.high)',
        'const plan = await reelq.campaigns.plan([{ prompt: "a red fox" }], { name: "spring", budget: "100 USD" });\n'
        "console.log(plan.bad, plan.cost.high);",
    ),
    ("post", "/v1/campaigns"): (
        'stored = reelq.campaigns.run("spring", "spring.csv", budget="100 USD")\nprint(stored.created, stored.known)',
        'const stored = await reelq.campaigns.run("spring", [{ prompt: "a red fox" }], { budget: "100 USD" });\n'
        "console.log(stored.created, stored.known);",
    ),
    ("get", "/v1/campaigns/{name}"): (
        'campaign = reelq.campaigns.get("spring")\nprint(campaign.counts)',
        'const campaign = await reelq.campaigns.get("spring");\nconsole.log(campaign.counts);',
    ),
    ("get", "/v1/campaigns/{name}/export"): (
        'reelq.campaigns.export("spring").save("results.xlsx")\nreelq.campaigns.download("spring", "videos")',
        'await reelq.campaigns.export("spring").save("results.xlsx");\n'
        'await reelq.campaigns.download("spring", "videos");',
    ),
    ("post", "/v1/campaigns/{name}/shares"): (
        'print(reelq.campaigns.share("spring", days=7, approved_only=True).url)',
        'console.log((await reelq.campaigns.share("spring", { days: 7, approved_only: true })).url);',
    ),
    ("get", "/v1/events"): (
        'for event in reelq.events.stream(after=position, state=["succeeded", "failed"]):\n'
        "    print(event.job.id, event.target)\n    position = event.position  # keep it\n    break",
        'for await (const event of reelq.events({ after: position, state: ["succeeded", "failed"] })) {\n'
        "  console.log(event.job.id, event.target);\n  position = event.position; // keep it\n}",
    ),
}


def add_code_samples(document: dict[str, Any]) -> None:
    """Add samples to every operation of an OpenAPI document."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation[FIELD] = list(_samples(method, path, operation))


def _samples(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    yield {"lang": "Shell", "label": "curl", "source": _curl(method, path, operation)}
    python, typescript = _PROGRAMS.get((method, path), ("", ""))
    if python:
        indented = "".join(f"    {line}\n" for line in python.splitlines())
        yield {"lang": "Python", "label": "Python", "source": _PYTHON + indented}
    if typescript:
        yield {"lang": "TypeScript", "label": "TypeScript", "source": f"{_TYPESCRIPT}{typescript}\n"}


def _curl(method: str, path: str, operation: Mapping[str, Any]) -> str:
    answers = operation["responses"].get("200", {}).get("content", {})
    options = "-sSN" if "text/event-stream" in answers else "-sSL" if "302" in operation["responses"] else "-sS"
    verb = "" if method == "get" else f" -X {method.upper()}"
    lines = [f"curl {options}{verb} '{_BASE}{path}'", '-H "Authorization: Bearer $REELQ_API_KEY"']
    content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        lines += ["-F 'prompt=a red fox runs through fresh snow'"]
    elif content:
        kind, described = next(iter(content.items()))
        lines += [f"-H 'Content-Type: {kind}'", _data(kind, described)]
    return " \\\n  ".join(lines)


def _data(kind: str, described: Mapping[str, Any]) -> str:
    if "example" in described:
        text = described["example"]
    elif "examples" in described:
        text = next(iter(described["examples"].values()))["value"]
    else:
        return "--data-binary '{ … }'" if kind == "application/json" else "--data-binary @FILE"
    whole = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    return f"--data-binary {_quoted(whole)}"


def _quoted(text: str) -> str:
    return "'" + text.rstrip("\n").replace("'", "'\\''") + "'"
