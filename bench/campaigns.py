"""Large sheets: the time, CPU and memory of planning, storing and exporting a campaign of 100,000 rows.

Plans and exports are commands of their own, as a person runs them. `enqueue` is the part of `campaign run` after the
plan, measured in a process of its own: `python -m bench.campaigns FILE NAME`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from bench.metering import RunResult, run
from bench.report import Report, Table, Target, Value
from bench.transfer_rig import Rig, rig
from producer import Producer
from producer.campaigns.files import read_campaign
from producer.campaigns.planning.checking import check_campaign
from producer.campaigns.reading.options import NO_OPTIONS
from producer.campaigns.storing import source_of
from producer.intake.start import Start
from storage.database import connect

ROWS, QUICK_ROWS = 100_000, 2_000
MEDIA_ROWS, PICTURES = 10_000, 500
LIMIT_S = 300.0
MIB = 2**20
COLUMNS = ("step", "rows", "s", "CPU s", "peak MiB")
ACCOUNT = {"name": "main", "gateway": "evolink", "api_key": "sk-bench", "max_in_flight": 10}

_END = """
UPDATE jobs SET state = 'succeeded', reason = 'stored', due_at = NULL, finished_at = now(), account = 'main',
    gateway = 'evolink', object_key = 'videos/2026/11/28/' || id || '.mp4',
    poster_key = 'videos/2026/11/28/' || id || '.jpg', size_bytes = 1000000, sha256 = repeat('a', 64),
    cost = '{"amount": 1.25, "currency": "CNY"}'
WHERE state = 'queued'
"""


def write_sheet(path: Path, rows: int, pictures: int = 0) -> None:
    """Write a workbook of ten columns as a team has it: texts, prices, percents and dates."""
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = book.add_worksheet()
    money, share, day = (book.add_format({"num_format": code}) for code in ('"¥"#,##0.00', "0.0%", "yyyy-mm-dd"))
    header = ["SKU", "产品名", "提示词", "比例", "时长", "分辨率", "价格", "折扣", "上线日期", "备注"]
    sheet.write_row(0, 0, [*header, "首帧"] if pictures else header)
    for number in range(1, rows + 1):
        name = f"Lamp {number}"
        sheet.write_row(number, 0, [f"{number:07}", name, f"{name} on a wooden table by a window", "9:16", 5, "720p"])
        sheet.write_number(number, 6, 10 + number % 90 / 4, money)
        sheet.write_number(number, 7, number % 40 / 100, share)
        sheet.write_datetime(number, 8, date(2026, 1, 1) + timedelta(number % 365), day)
        sheet.write_string(number, 9, f"row {number}, shelf {number % 17}")
        if pictures:
            sheet.write_string(number, 10, f"https://media.example.com/{number % pictures}.png")
    book.close()


def enqueue(path: Path, name: str) -> dict[str, float]:
    """Check a file and store its rows in this process; the seconds and CPU seconds of storing them."""
    with Producer() as producer:
        rows = read_campaign(path, NO_OPTIONS)
        checked = check_campaign(rows, producer.settings, path.parent, fetch=False)
        batch, start = checked.batch(), Start(paused=True, sheet=source_of(path.name, rows.report))
        began, used = time.perf_counter(), _cpu_s()
        stored = producer.store(batch, campaign=name, start=start)
        return {"rows": len(stored), "s": time.perf_counter() - began, "cpu_s": _cpu_s() - used}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Measured:
    """The commands that are measured, and their rows."""

    def __init__(self, found: Rig) -> None:
        self._rig = found
        self._environ = found.environ | {"REELQ_ACCOUNTS": json.dumps([ACCOUNT])}
        self.rows: list[dict[str, Value]] = []

    def command(self, step: str, rows: int, *arguments: str) -> RunResult:
        """Run `reelq …` and keep its figures."""
        ran = self._run("producer.cli.main", *arguments)
        self._keep(step, rows, ran.seconds, ran.cpu_s, ran.peak_bytes)
        return ran

    def enqueue(self, rows: int, file: Path) -> None:
        """Store the rows of a file, and keep the figures of that alone; the memory is that of the whole process."""
        ran = self._run("bench.campaigns", str(file), "large")
        printed = json.loads(ran.output.strip().splitlines()[-1])
        assert printed["rows"] == rows
        self._keep("enqueue", rows, printed["s"], printed["cpu_s"], ran.peak_bytes)

    def _run(self, module: str, *arguments: str) -> RunResult:
        command = [sys.executable, "-m", module, *arguments]
        return run(command, self._environ, self._rig.directory / "campaigns.log", LIMIT_S)

    def _keep(self, step: str, rows: int, seconds: float, cpu_s: float, peak_bytes: int) -> None:
        self.rows.append(dict(zip(COLUMNS, (step, rows, seconds, cpu_s, peak_bytes / MIB), strict=True)))


def report_of(rows: Sequence[dict[str, Value]]) -> Report:
    """The report with the targets."""
    found = {str(row["step"]): row for row in rows}

    def target(step: str, what: str, wanted: float) -> Target:
        value = found.get(step, {}).get(what)
        unit = "s" if what == "s" else "MiB"
        measured = float(value) if isinstance(value, int | float) else None
        return Target(f"{step}, {'time' if what == 's' else 'memory'}", measured, "<=", wanted, f" {unit}")

    targets = [target("plan", "s", 60), target("plan", "peak MiB", 500), target("enqueue", "s", 15)]
    targets += [target(f"export {kind}", "s", 30) for kind in ("xlsx", "csv", "jsonl")]
    targets.append(target("plan with shared pictures", "s", 20))
    notes = ["CPU s is that of the command alone, without the database."]
    return Report("campaigns", [Table("Large sheets", COLUMNS, rows)], targets, notes)


def measure_part(quick: bool) -> Report:
    """Measure everything; about three minutes."""
    rows = QUICK_ROWS if quick else ROWS
    media_rows, pictures = (QUICK_ROWS, PICTURES) if quick else (MEDIA_ROWS, PICTURES)
    with rig() as found:
        os.environ.update(found.environ)
        measured, file, media = Measured(found), found.directory / "large.xlsx", found.directory / "pictures.xlsx"
        write_sheet(file, rows)
        write_sheet(media, media_rows, pictures)
        measured.command("plan", rows, "campaign", "plan", str(file), "--json")
        measured.command(
            "plan with shared pictures", media_rows, "campaign", "plan", str(media), "--json", "--no-fetch"
        )
        measured.enqueue(rows, file)
        with connect(found.settings.require_database_url()) as conn:
            conn.execute(_END)
            conn.execute("ANALYZE jobs, campaign_rows")
        for kind in ("xlsx", "csv", "jsonl"):
            to = found.directory / f"back.{kind}"
            measured.command(f"export {kind}", rows, "campaign", "export", "large", "--to", str(to))
            assert to.stat().st_size > rows
    return report_of(measured.rows)


if __name__ == "__main__":
    print(json.dumps(enqueue(Path(sys.argv[1]), sys.argv[2])))
