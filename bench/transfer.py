"""Copies from the gateway to the store: reelq's transfer worker compared with rclone, curl with aws, and boto3."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import competitors
from bench.competitors import VENV, NoCompetitors
from bench.contender import VIDEO_ONLY
from bench.metering import CommandFailed, run
from bench.report import Report, Table, Target, Value, ratio
from bench.transfer_rig import BUCKET, Rig, rig, video_url
from producer.local.servers import wheels

KIB, MIB = 2**10, 2**20
RUN_S, SOFT_S = 60.0, 110.0
COLUMNS = ("tool", "size", "files", "MB/s", "CPU ms/file", "peak MiB", "MB/s ratio", "CPU ratio")
MORE_MEMORY_MIB = 64.0


@dataclass(frozen=True, slots=True)
class Size:
    """A video size, the number of files per run, and the number of runs."""

    label: str
    size_bytes: int
    files: int
    rounds: int


SIZES = (
    Size("256 KiB", 256 * KIB, 96, 3),
    Size("8 MiB", 8 * MIB, 48, 3),
    Size("256 MiB", 256 * MIB, 1, 2),
    Size("2 GiB", 2048 * MIB, 1, 1),
)


@dataclass(frozen=True, slots=True)
class Copied:
    """The figures of one run."""

    seconds: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Task:
    """Copy this video `files` times."""

    rig: Rig
    gateway: str
    url: str
    files: int

    def log(self, name: str) -> Path:
        return self.rig.directory / f"{name}.log"

    def environ(self) -> dict[str, str]:
        """The environment that configures the store for the other tools."""
        keys = self.rig.settings
        secret = keys.s3_secret_access_key.get_secret_value() if keys.s3_secret_access_key else ""
        store = {
            "AWS_ACCESS_KEY_ID": keys.s3_access_key_id or "",
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": keys.s3_region or "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        rclone = {"TYPE": "s3", "PROVIDER": "Other", "ENV_AUTH": "true", "NO_CHECK_BUCKET": "true"}
        rclone["ENDPOINT"] = keys.s3_endpoint_url or ""
        bench = {"NAME": "uploads", "GATEWAY": self.gateway, "API_KEY": "sk-bench", "BUCKET": BUCKET, "URL": self.url}
        bench |= {"S3_ENDPOINT": keys.s3_endpoint_url or "", "DATABASE_URL": "", "BROKER_URL": ""}
        own = {f"RCLONE_CONFIG_BENCH_{name}": value for name, value in rclone.items()}
        return self.rig.environ | store | own | {f"BENCH_{name}": value for name, value in bench.items()}


Tool = Callable[[Task], Copied]


def by_reelq(task: Task, **settings: str) -> Copied:
    """Run the transfer worker's code in a new process; its database access counts too."""
    task.rig.clear()
    task.rig.enqueue(task.url, task.files)
    result = task.rig.run_worker(task.gateway, **settings)
    if result["succeeded"] != task.files:
        raise CommandFailed(f"only {result['succeeded']} of {task.files} videos were copied")
    return Copied(result["took_s"], result["cpu_s"] + result["decoder_cpu_s"], result["peak_bytes"])


def by_rclone(task: Task) -> Copied:
    """Run one rclone for all files, with its default of four at once."""
    listed = task.rig.directory / "urls.csv"
    listed.write_text("".join(f"{task.url},videos/{number}.mp4\n" for number in range(task.files)))
    command = [str(wheels.rclone()), "copyurl", "--config", "", "--urls", str(listed), f"BENCH:{BUCKET}"]
    ran = run(command, task.environ(), task.log("rclone"), RUN_S)
    return Copied(ran.seconds, ran.cpu_s, ran.peak_bytes)


def by_aws(task: Task) -> Copied:
    """Run `curl | aws s3 cp -` for one file after the other."""
    target = f"s3://{BUCKET}/videos/$n.mp4"
    line = f'curl -sSf "$BENCH_URL" | "{VENV}/bin/aws" --endpoint-url "$BENCH_S3_ENDPOINT" s3 cp - "{target}"'
    script = f"set -euo pipefail; for n in $(seq {task.files}); do {line}; done"
    ran = run(["bash", "-c", script], task.environ(), task.log("aws"), RUN_S)
    return Copied(ran.seconds, ran.cpu_s, ran.peak_bytes)


def by_boto3(task: Task) -> Copied:
    """Run `upload_fileobj` of a streamed response in eight threads."""
    command = [str(VENV / "bin" / "python"), "-m", "bench.contenders", "uploads", "copies", str(task.files)]
    ran = run(command, task.environ(), task.log("boto3"), RUN_S)
    result: dict[str, Any] = json.loads(ran.output)
    return Copied(result["took_s"], result["cpu_s"], ran.peak_bytes)


def video_only(task: Task) -> Copied:
    """Run `by_reelq` without posters and JSON files."""
    return by_reelq(task, **VIDEO_ONLY)


TOOLS: dict[str, Tool] = {
    "reelq": by_reelq,
    "reelq, video only": video_only,
    "rclone copyurl": by_rclone,
    "boto3 upload_fileobj": by_boto3,
    "curl | aws s3 cp -": by_aws,
}
AWS_FILES = 1
"""It starts a new process for every file, which takes a second; more files would not change the figures."""


def measure_size(
    servers: Rig, size: Size, tools: dict[str, Tool], notes: list[str], until: float
) -> dict[str, tuple[int, Copied]]:
    """Run every tool in rounds; returns its number of files and its medians. No run starts after `until`."""
    if size.size_bytes > 8 * MIB:
        tools = {name: tool for name, tool in tools.items() if tool is not video_only}
    runs: dict[str, list[Copied]] = {name: [] for name in tools}
    files = {name: min(size.files, AWS_FILES) if tool is by_aws else size.files for name, tool in tools.items()}
    skipped: set[str] = set()
    bucket = servers.bucket_directory
    with servers.gateway(size.size_bytes) as gateway:
        for _ in range(size.rounds):
            for name, tool in tools.items():
                url = video_url(gateway)  # a link may be fetched 100 times
                if time.monotonic() > until:
                    skipped.add(name)
                    continue
                try:
                    runs[name].append(tool(Task(servers, gateway, url, files[name])))
                    _check(bucket, size.size_bytes, files[name])
                except (CommandFailed, OSError) as exc:
                    notes.append(f"{name}, {size.label}: {str(exc)[:300]}")
                finally:
                    _empty(bucket)
                print(f"  {size.label} {name}", file=sys.stderr, flush=True)
    if skipped:
        notes.append(f"{size.label}: fewer or no runs of {', '.join(sorted(skipped))} because of the time limit.")
    return {name: (files[name], _medians(found)) for name, found in runs.items() if found}


def _check(bucket: Path, size_bytes: int, files: int) -> None:
    sizes = [path.stat().st_size for path in bucket.rglob("*.mp4")]
    if sizes != [size_bytes] * files:
        raise CommandFailed(f"the bucket has {len(sizes)} videos instead of {files} of {size_bytes} bytes")


def _empty(bucket: Path) -> None:
    for path in bucket.rglob("*"):
        if path.is_file() and path.name != "probe":  # rclone remembers the probe, and would fail to read it
            path.unlink()


def _medians(runs: list[Copied]) -> Copied:
    peak = max(one.peak_bytes for one in runs)
    return Copied(median(one.seconds for one in runs), median(one.cpu_s for one in runs), peak)


def rows_of(found: dict[str, dict[str, tuple[int, Copied]]]) -> list[dict[str, Value]]:
    """Rows by size and tool. Ratios are reelq's figure (of videos only, as for the others) over the row's."""
    rows: list[dict[str, Value]] = []
    size_of = {size.label: size.size_bytes for size in SIZES}
    for label, tools in found.items():
        own = tools.get("reelq, video only") or tools.get("reelq")
        own_row = own and _figures(size_of[label], *own)
        for name, (files, one) in tools.items():
            row = _figures(size_of[label], files, one)
            line: dict[str, Value] = {"tool": name, "size": label, "files": files, **row}
            if own_row:
                line["MB/s ratio"] = ratio(own_row["MB/s"], row["MB/s"])
                line["CPU ratio"] = ratio(own_row["CPU ms/file"], row["CPU ms/file"])
            rows.append(line)
    return rows


def _figures(size_bytes: int, files: int, one: Copied) -> dict[str, float]:
    return {
        "MB/s": size_bytes * files / 1e6 / one.seconds,
        "CPU ms/file": one.cpu_s * 1000 / files,
        "peak MiB": one.peak_bytes / MIB,
    }


def targets_of(rows: list[dict[str, Value]]) -> list[Target]:
    """The targets, with the measured figures of the rows."""

    def value(tool: str, size: str, column: str) -> float | None:
        found = next((row.get(column) for row in rows if (row["tool"], row["size"]) == (tool, size)), None)
        return float(found) if isinstance(found, int | float) else None

    targets = [
        Target("MB/s against rclone copyurl, 256 MiB", value("rclone copyurl", "256 MiB", "MB/s ratio"), ">=", 0.8)
    ]
    for size in ("256 KiB", "8 MiB"):
        found = value("boto3 upload_fileobj", size, "CPU ratio")
        targets.append(Target(f"CPU against upload_fileobj, {size}", found, "<=", 0.5))
    large, small = (value("reelq", size, "peak MiB") for size in ("2 GiB", "256 KiB"))
    if large is not None and small is not None:
        targets.append(Target("more memory for 2 GiB than for 256 KiB", large - small, "<=", MORE_MEMORY_MIB, " MiB"))
    return targets


def measure_part(quick: bool) -> Report:
    """The table and the targets."""
    notes = ["reelq also checks that the file is an MP4, computes its SHA-256, and updates PostgreSQL."]
    tools = dict(TOOLS)
    try:
        competitors.ensure_environment()
    except NoCompetitors as exc:
        notes.append(f"Without boto3 and aws: {exc}")
        del tools["boto3 upload_fileobj"], tools["curl | aws s3 cp -"]
    if shutil.which("curl") is None and "curl | aws s3 cp -" in tools:
        del tools["curl | aws s3 cp -"]
        notes.append("Without the row of curl and aws: curl is not installed.")
    found = {}
    until = time.monotonic() + SOFT_S
    with rig() as servers:
        free = shutil.disk_usage(servers.directory).free
        for size in SIZES[:2] if quick else SIZES:
            if free < 4 * size.size_bytes:
                notes.append(f"{size.label}: skipped, because only {free / 2**30:.1f} GiB of disk space are free.")
                continue
            found[size.label] = measure_size(servers, size, tools, notes, until)
    rows = rows_of(found)
    title = "Transfer: copies from the gateway to the store"
    return Report("transfer", [Table(title, COLUMNS, rows)], [] if quick else targets_of(rows), notes)
