"""docs/scaling.md, made from `page.md`, the costs and the kept figures; no figure of that page is typed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery
from jinja2 import Environment, StrictUndefined

from bench.scaling import shards
from bench.scaling.comparing import BY_TIME_WITHIN, WITHIN
from bench.scaling.costs import PARTS, WAL, Cost, Costs, load_costs
from bench.scaling.figures import Stored, load_figures
from bench.scaling.machinery import THREADS, Layout
from bench.scaling.measure import SHAPES
from bench.scaling.plan import MOST_BUSY, SIZES, SLOTS_BUSY, held_s, workload
from bench.scaling.scheduling import ROUNDS
from producer.http.group_commit import WRITERS
from producer.http.service import BATCH_THREADS, UPLOAD_THREADS
from producer.http.service import THREADS as THREADS_OF_API
from storage.bucket.objects import PART_BYTES
from storage.settings import TRANSFER_MEMORY_MIB
from worker.runtime import DATABASE_CONNECTIONS
from worker.scheduling.batches import (
    MAX_POLLS_A_ROUND,
    MAX_SUBMITS_A_ROUND,
    MAX_TRANSFERS_A_ROUND,
    MAX_WAITING,
    SUBMIT_BATCH,
)
from worker.scheduling.envelopes import Envelopes
from worker.scheduling.retention import EVENTS, JOBS
from worker.scheduling.scheduler import DATABASE_CONNECTIONS as SCHEDULER_CONNECTIONS
from worker.transferring.capacity import ONE_HOST_BYTES, ONE_HOST_COPIES
from worker.transferring.upload import held_bytes
from worker.watching.words import described

TEMPLATE = Path(__file__).with_name("page.md")
PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
API_CONNECTIONS = THREADS_OF_API + BATCH_THREADS + UPLOAD_THREADS + WRITERS + 8
"""One for each thread, and those of checks, keys and heartbeats."""
MIB, DAY_S = 2**20, 86400.0
COMPANIONS = 2
"""The poster and the JSON file beside each video."""
UNTOLD = "not told apart"
"""Instead of a cost of 0: the part comes together with others, and solving gave them all of it."""
_ROLES = {
    "producer": "program that stores jobs",
    "scheduler": "scheduler",
    "submit_poll": "submit-poll worker",
    "transfer": "transfer worker",
    "decoder": "its decoder",
    "database": "PostgreSQL",
    "broker": "Valkey",
    WAL: "WAL",
}
_NAMES = {
    "makespan_s": "all jobs done after, s",
    "jobs_per_s": "jobs/s",
    "polls_per_job": "polls per job",
    "detection_p50_s": "found after, median, s",
    "detection_p99_s": "found after, p99, s",
    "queue_wait_p50_s": "wait in the queue, median, s",
    "queue_wait_p99_s": "wait in the queue, p99, s",
    "cpu_ms_per_job": "CPU of schedulers and workers per job, ms",
    "servers_ms_per_job": "CPU of PostgreSQL and Valkey per job, ms",
    "scheduler_ms": "of that schedulers, ms",
    "submit_poll_ms": "submit-poll workers, ms",
    "transfer_ms": "transfer workers, ms",
    "transactions_per_s": "transactions/s",
    "wal_bytes_per_job": "WAL per job, KB",
}


def number(value: float, digits: int = 2) -> str:
    """With this many significant digits, and commas."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.{max(0, digits - 1 - floor(log10(abs(rounded))))}f}"


def taken(one: Cost, unit: str = "ms", size: float = 1.0) -> str:
    """A cost, in units of this size. A cost of 0 is where solving stops, not what the part takes."""
    return f"{number(one.each / size)} {unit}" if one.each else UNTOLD


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: bool = False) -> str:
    """A table in Markdown; `right`: columns after the first are aligned to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + ("|---:" if right else "|---") * (len(head) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def environment() -> Environment:
    """How the template is filled. Markdown needs no escapes."""
    made = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    made.filters.update({"n": number, "n1": lambda value: number(value, 1), "n3": lambda value: number(value, 3)})
    made.filters.update({"ms": taken, "kb": lambda one: taken(one, "KB", 1000.0)})
    made.filters["percent"] = lambda value: f"{value:.0%}"
    return made


def render(costs: Costs, kept: Stored) -> str:
    """The page."""
    text = environment().from_string(TEMPLATE.read_text(encoding="utf-8")).render(context(costs, kept))
    return text.rstrip() + "\n"


def write(path: Path = PAGE) -> Path:
    """Write the page from the files of costs and figures."""
    path.write_text(render(load_costs(), load_figures()), encoding="utf-8")
    return path


def tables(model: Stored) -> str:
    """The tables of the model alone."""
    return "\n\n".join([steady_table(model), outage_table(model), behind_table(model)])


def context(costs: Costs, kept: Stored) -> dict[str, Any]:
    """Everything that the template names."""
    sizes: dict[str, Any] = kept["model"]["sizes"]
    largest = sizes["10M"]
    rate = largest["per_day"] / DAY_S
    work = workload(SIZES[-1], 60.0)
    one = Layout()
    mib = sum(work.video_mib) / 2
    tick_s = one.tick_s
    return {
        "costs": costs,
        "parts": costs.parts,
        "costs_table": costs_table(costs),
        "untold": UNTOLD,
        "shapes": list(SHAPES),
        "message_bytes": message_bytes(),
        "copy_ms": costs.of("transfer", message=1, copy=1, mib=mib) + costs.of("decoder", poster=1),
        "tables": costs.tables,
        "ten": largest,
        "behind": kept["model"]["behind"],
        "rate": rate,
        "mean_mib": mib,
        "busy": MOST_BUSY,
        "slots_busy": SLOTS_BUSY,
        "held_s": held_s(work),
        "copy_s": mib / one.connection_mib_s + one.store_s,
        "copies_at_once": min(ONE_HOST_COPIES, ONE_HOST_BYTES // held_bytes(int(mib * MIB))),
        "one_host_mib": ONE_HOST_BYTES // MIB,
        "part_mib": PART_BYTES // MIB,
        "transfer_memory_mib": TRANSFER_MEMORY_MIB,
        "row_bytes": costs.tables.jobs_bytes + costs.tables.jobs_index_bytes,
        "job_bytes": job_bytes(costs),
        "copying_cores": largest["transfer_share"] + largest["decoder_share"],
        "others_cores": largest["scheduler_share"] + largest["submit_poll_share"],
        "pools": {"worker": DATABASE_CONNECTIONS, "scheduler": SCHEDULER_CONNECTIONS, "api": API_CONNECTIONS},
        "copying_gib": transfer_gib(largest, costs),
        "gbit_s": gbit_s(largest["per_day"], mib),
        "requests_s": rate * (ceil(mib * MIB / PART_BYTES) + 2 + COMPANIONS),
        "single_ms": stored_ms(costs, 1),
        "batched": stored_ms(costs, 1) / stored_ms(costs, 50),
        "submits_per_s": ROUNDS * MAX_SUBMITS_A_ROUND / tick_s,
        "polls_per_s": ROUNDS * MAX_POLLS_A_ROUND / tick_s,
        "transfers_per_s": ROUNDS * MAX_TRANSFERS_A_ROUND / tick_s,
        "waiting": MAX_WAITING,
        "forgotten_a_round": JOBS,
        "events_a_round": EVENTS,
        "forgotten_per_day": JOBS / tick_s * DAY_S,
        "within": WITHIN,
        "by_time_within": BY_TIME_WITHIN,
        "wal_kb": costs.of(WAL, enqueued=1, job=1) / 1000,
        "what_to_run": what_to_run(sizes, costs),
        "steady": steady_table(kept["model"]),
        "outages": outage_table(kept["model"]),
        "outage_rows": {row["part"]: row for row in kept["model"]["outages"]},
        "behind_table": behind_table(kept["model"]),
        "checks": checks_table(kept["checks"]),
        "check": kept["checks"][0],
        "spread": kept["spread"],
        "spread_table": checks_table([kept["spread"]]),
        **shards.context(costs, largest),
    }


def stored_ms(costs: Costs, jobs: int) -> float:
    """CPU to store a job in a call with so many, in the program that stores it and in PostgreSQL."""
    return sum(costs.of(role, enqueue=1, enqueued=jobs) for role in ("producer", "database")) / jobs


def message_bytes() -> int:
    """The size of a message with a full batch of submits."""
    ids = [uuid4() for _ in range(SUBMIT_BATCH)]
    envelopes = Envelopes(Celery(set_as_current=False))
    arguments = ["account", [[str(one), 1] for one in ids]]
    return len(envelopes.message("worker.submit", "submit", arguments, described("account", ids, "submit")))


def costs_table(costs: Costs) -> str:
    """What each part of the work costs, and how sure that is."""
    rows = []
    for role, parts in costs.parts.items():
        for part, one in parts.items():
            takes = taken(one, "bytes" if role == WAL else "ms")
            rows.append([_ROLES[role], PARTS[role][part], takes, f"±{number(one.sure)}" if one.each else "–"])
    return table(["process", "part", "takes", "standard error"], rows)


def job_bytes(costs: Costs) -> float:
    """Bytes of all rows of a job."""
    kept = costs.tables
    return kept.jobs_bytes + kept.jobs_index_bytes + kept.attempts_bytes + kept.events_bytes


def transfer_gib(size: Mapping[str, Any], costs: Costs) -> float:
    """Memory of all transfer workers, with the most videos that each may hold."""
    return float(size["transfer"]) * (costs.memory.transfer_mib + TRANSFER_MEMORY_MIB) / 1024


def gbit_s(per_day: float, mib: float) -> float:
    """Traffic in each direction."""
    return per_day / DAY_S * mib * MIB * 8 / 1e9


def what_to_run(sizes: Mapping[str, Any], costs: Costs) -> str:
    """The table of machines, from the model."""
    mib = sum(workload(SIZES[0], 60.0).video_mib) / 2
    columns: list[list[str]] = []
    for size in sizes.values():
        rate = size["per_day"] / DAY_S
        small = size["per_day"] <= 10_000
        schedulers, apis = (1, 1) if small else (2, 2)
        workers = size["submit_poll"] + size["transfer"]
        pools = workers * DATABASE_CONNECTIONS + schedulers * SCHEDULER_CONNECTIONS + apis * API_CONNECTIONS
        others = schedulers * costs.memory.scheduler_mib + size["submit_poll"] * costs.memory.submit_poll_mib
        cores = sum(size[f"{name}_share"] for name in ("scheduler", "submit_poll", "transfer", "decoder"))
        columns.append(
            [
                number(rate, 3),
                number(ceil(rate * held_s(workload(SIZES[0], 60.0)) / SLOTS_BUSY)),
                str(schedulers),
                str(size["submit_poll"]),
                str(size["transfer"]),
                number(cores),
                f"{number(others / 1024 + transfer_gib(size, costs))} GiB",
                str(apis),
                "any size: `reelq up`"
                if small
                else f"{size['database_cores']:g} cores; {number(size['database_share'])} in use",
                number(pools),
                data(size["per_day"] * job_bytes(costs)),
                data(size["per_day"] * size["wal_bytes_per_job"]),
                f"{number(size['messages_per_s'])} messages/s, {number(size['broker_share'])} cores",
                f"{number(gbit_s(size['per_day'], mib) * 1000)} Mbit/s",
                f"{number(size['per_day'] * mib / 2**20)} TiB",
            ]
        )
    names = [
        "jobs per second, on average",
        f"slots needed, at {SLOTS_BUSY:.0%} load",
        "schedulers (`celery beat`)",
        f"submit-poll workers of {THREADS['work']} threads",
        "transfer workers",
        "CPU of all reelq processes, cores",
        "memory of schedulers and workers, at most",
        "API processes",
        "PostgreSQL",
        "connections if every pool is full",
        "database growth per day, without pruning",
        "WAL per day, without full pages",
        "Valkey",
        "traffic into and out of the bucket, each",
        "stored per day",
    ]
    head = ["", *(f"{name} per day" for name in sizes)]
    return table(head, [[name, *(column[at] for column in columns)] for at, name in enumerate(names)])


def data(value: float) -> str:
    """Bytes for people."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value / 1e3)} KB"


def steady_table(model: Stored) -> str:
    """Normal operation."""
    head = (
        *("per day", "accounts x slots", "submit-poll", "transfer", "database cores", "jobs/s", "polls/job"),
        *("found p50", "queue p99", "scheduler", "submit-poll", "busy threads", "transfer", "database", "broker"),
        *("messages/s", "transactions/job"),
    )
    rows = [
        [
            name,
            f"{one['accounts']} x {one['max_in_flight']}",
            str(one["submit_poll"]),
            str(one["transfer"]),
            f"{one['database_cores']:g}",
            f"{one['jobs_per_s']:.2f}",
            f"{one['polls_per_job']:.2f}",
            f"{one['detection_p50_s']:.1f} s",
            f"{one['queue_wait_p99_s']:.1f} s",
            f"{one['scheduler_share']:.2f}",
            f"{one['submit_poll_share']:.2f}",
            f"{one['submit_poll_threads']:.0f}",
            f"{one['transfer_share'] + one['decoder_share']:.2f}",
            f"{one['database_share']:.2f}",
            f"{one['broker_share']:.2f}",
            f"{one['messages_per_s']:.1f}",
            f"{one['transactions_per_job']:.1f}",
        ]
        for name, one in model["sizes"].items()
    ]
    return table(head, rows)


def outage_table(model: Stored) -> str:
    """An hour without each part."""
    head = (
        *("per day", "an hour without", "most queued", "most to copy", "failed POSTs", "total WAL", "caught up after"),
        *("largest share of a URL's life used", "failed or held"),
    )
    rows = [
        [
            one["size"],
            one["part"],
            f"{one['most_queued']:,}",
            f"{one['most_copies_waiting']:,}",
            f"{one['failed_posts']:,}",
            f"{one['wal_gb']:.1f} GB",
            f"{one['caught_up_min']:.0f} min",
            f"{one['life_used']:.1%}",
            f"{one['failed']:,}",
        ]
        for one in model["outages"]
    ]
    return table(head, rows)


def behind_table(model: Stored) -> str:
    """How near videos come to their expiry."""
    head = (
        *("store down for", "load of transfer processes", "processes", "most to copy"),
        *("largest share of a URL's life used", "lost"),
    )
    rows = [
        [
            f"{one['hours']:g} h",
            f"{one['busy']:.0%}",
            str(one["processes"]),
            f"{one['most_copies_waiting']:,}",
            f"{one['life_used']:.0%}",
            f"{one['lost']:,}",
        ]
        for one in model["behind"]
    ]
    return table(head, rows)


def checks_table(runs: Sequence[Stored]) -> str:
    """Real runs beside the model."""
    rows = []
    for at, one in enumerate(runs[0]["figures"]):
        row = [_NAMES[one["name"]] + ("" if one["judged"] else " (not judged)")]
        for run in runs:
            figure = run["figures"][at]
            scale = 1000 if one["name"] == "wal_bytes_per_job" else 1
            row += [number(figure[key] / scale, 3) for key in ("predicted", "measured")] + [f"{figure['off']:+.1%}"]
        rows.append(row)
    return table(["", *("predicted", "measured", "off by") * len(runs)], rows, right=True)
