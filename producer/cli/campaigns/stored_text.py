"""What a run did, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

from producer.campaigns.left_behind import MOST
from producer.cli.campaigns.plan_text import edit_lines, kinds_text
from producer.cli.campaigns.waiting_words import waiting_text
from producer.intake.start import Start
from producer.wording import plural

_NAMED = 5


def stored_lines(stored: Mapping[str, Any], name: str, start: Start, held: str | None) -> Iterator[str]:
    """The lines of a run's report (`run_report`). `held`: why nothing is submitted now, None: something is."""
    known = f", {stored['known']} known" if stored["known"] else ""
    waits = waiting_text(stored["sheet_rows"], name, start)
    yield f"{name}: {plural(stored['rows'], 'row')}, {stored['created']} new{known}{waits}"
    if stored["proofs"] is not None and stored["created"]:
        made = "makes the finals" if stored["proofs"]["drafts"] + stored["proofs"]["looks"] else "only marks them"
        yield f"{name}: {kinds_text(stored['proofs'])}; `reelq campaign approve {quote(name)}` {made}"
    if held is not None:
        yield f"{name} {held}"
    if stored["differs"]:
        yield f"{name}: known jobs keep their own {', '.join(stored['differs'])}, which differ from the file's"
    yield from edit_lines(stored["edited"], name)
    yield from _left_behind(stored["not_in_file"], name)


def _left_behind(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    """What a person can do about rows that are no longer in the file."""
    if not rows:
        return
    count = plural(len(rows), "row")
    more = "at least " if len(rows) == MOST else ""
    shown = ", ".join(f"{row['row']}" + (f" ({row['key']})" if row["key"] else "") for row in rows[:_NAMED])
    shown += ", …" if len(rows) > _NAMED else ""
    yield f"  not here   {more}{count} of an earlier file: {shown}"
    yield "             still waiting; to prevent that they are generated and billed:"
    for row in rows[:_NAMED]:
        yield "             " + (
            f"reelq campaign cancel {quote(name)} --key {quote(row['key'])}"
            if row["key"]
            else f"reelq jobs cancel {row['job_id']}"
        )


def result_of(
    stored: Mapping[str, Any], name: str, skipped: int | None, still: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """What `campaign run --json` prints beside the jobs. `skipped`: how many bad rows were left out, None: none may be;
    `still`: why waiting has stopped, None: it did not wait."""
    kept = {"campaign": name} | {part: stored[part] for part in ("rows", "created", "edited", "not_in_file")}
    waited = {} if still is None else {"standstill": still}
    return kept | ({} if skipped is None else {"skipped": skipped}) | waited
