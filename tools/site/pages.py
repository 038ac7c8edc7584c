"""Lay out the site's sources as the repository has them, so that the links between pages stay as they are.

A code host shows folders and source files; a site does not. So a link to a folder leads to its page where there is one,
a link to a sample file leads to a copy of it, and of any other link the text stays.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "build" / "site"
DECISIONS = Path("docs/decisions/README.md")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^[ \t]*```.*?^[ \t]*```[ \t]*$)", re.DOTALL | re.MULTILINE)
_SAMPLES = ("examples", "deploy/helm")


def pages() -> list[Path]:
    """Every page, by its path in the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("**/README.md")]
    return sorted(path.relative_to(ROOT) for path in found)


def assemble(target: Path = SOURCES) -> None:
    """Write the sources of the site into a folder, which is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    every = pages()
    known = {*every, DECISIONS}
    for page in every:
        text, samples = rewrite((ROOT / page).read_text(encoding="utf-8"), page, known)
        _write(target / page, text)
        for sample in samples:
            (target / sample).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / sample, target / sample)
    _write(target / DECISIONS, "".join(_decisions(every)))


def rewrite(text: str, page: Path, known: set[Path]) -> tuple[str, list[Path]]:
    """The text with links that a site has, and the sample files that it links to."""
    samples: list[Path] = []

    def replace(link: re.Match[str]) -> str:
        shown, target, anchor = link[1], link[2], link[3] or ""
        if "://" in target or target.startswith("mailto:") or not target:
            return link[0]
        path = (ROOT / page.parent / target).resolve().relative_to(ROOT)
        if path in known:
            return link[0]
        if path / "README.md" in known:
            return f"[{shown}]({target.rstrip('/')}/README.md{anchor})"
        if path.as_posix().startswith(_SAMPLES) and (ROOT / path).is_file():
            samples.append(path)
            return link[0]
        return shown

    parts = _FENCE.split(text)
    parts[::2] = [_LINK.sub(replace, part) for part in parts[::2]]
    return "".join(parts), samples


def _decisions(every: list[Path]) -> Iterator[str]:
    yield "# Decisions\n\nWhy things are as they are: what was seen, what was decided, and what follows.\n\n"
    for page in every:
        if page.parent == DECISIONS.parent:
            title = (ROOT / page).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
            yield f"* [{page.name[:4]}: {title}]({page.name})\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
