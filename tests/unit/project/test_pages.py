"""The pages name files, folders and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.project.test_rooms import FOLDERS

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
PAGES = [
    *sorted(path for path in ROOT.glob("*.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").glob("**/README.md")),
]
# A decision and the changelog name what was there at the time.
OF_TODAY = [page for page in PAGES if page.parent.name != "decisions" and page.name != "CHANGELOG.md"]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
NAMED = re.compile(
    r"`((?:seedance|storage|producer|worker|simulator|client|client-ts|bench|tests|tools|deploy|docs|examples)/[\w./-]*)"
    r"(?::\w+)?`"
)
EXAMPLES = {
    "docs/adding-a-gateway.md": ("example", "name"),  # its files are the reader's to write
}


def headings(page: Path) -> set[str]:
    """The anchors of a page, as code hosts make them."""
    lines = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    titles = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target, anchor in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor[1:] not in headings(path)):
            broken.append(target + anchor)
    assert broken == []


@pytest.mark.parametrize("page", OF_TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_named_file_exists(page: Path) -> None:
    name = str(page.relative_to(ROOT))
    named = set(NAMED.findall(page.read_text(encoding="utf-8")))
    missing = {path for path in named if not (ROOT / path).exists()}
    assert {path for path in missing if not any(word in path for word in EXAMPLES.get(name, ()))} == set()


def test_the_layout_names_every_folder_with_code_and_none_that_is_gone() -> None:
    [layout] = re.findall(r"^## Layout\n\n```\n(.*?)```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"(?:^|\s)([\w-]+)/ ", layout))
    assert [name for name in named if not (ROOT / name).is_dir()] == []
    assert set(FOLDERS) <= named


def test_the_index_names_every_page() -> None:
    linked = {Path(target).name for target, _ in LINK.findall((ROOT / "docs" / "README.md").read_text("utf-8"))}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


def test_every_target_that_the_pages_name_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for page in OF_TODAY:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert named <= targets, page.name


def test_every_path_in_the_makefile_exists() -> None:
    paths = re.findall(r"(?:tests|bench)/[\w/]+\.\w+", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []
