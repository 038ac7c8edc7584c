"""The documentation as a site: every page is in it, and links that only a code host can follow are text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.site import pages

ROOT = Path(__file__).parents[3]


def navigation() -> set[str]:
    class Loader(yaml.SafeLoader):
        """Reads what MkDocs reads as Python objects as their data."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, _suffix, _node: None)
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def leaves(node: Any) -> set[str]:
        if isinstance(node, dict):
            node = list(node.values())
        return {node} if isinstance(node, str) else set().union(*map(leaves, node))

    return leaves(config["nav"])


def test_every_page_is_in_the_navigation() -> None:
    expected = {page.as_posix() for page in pages.pages() if page.parent.name != "decisions"}
    assert navigation() == expected | {pages.DECISIONS.as_posix()}, "list it under nav in mkdocs.yml"


def test_every_link_of_the_site_leads_to_a_file_of_the_site(tmp_path: Path) -> None:
    """What `mkdocs build --strict` checks too, without MkDocs."""
    pages.assemble(tmp_path)
    broken = []
    for page in tmp_path.rglob("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).is_file():
                broken.append(f"{page.relative_to(tmp_path)}: {target}")
    assert broken == []
    assert (tmp_path / "examples" / "reelq.toml").is_file()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[jobs](jobs.md#fields)", "[jobs](jobs.md#fields)"),
        ("[why](decisions)", "[why](decisions/README.md)"),
        ("[`storage/settings.py`](../storage/settings.py)", "`storage/settings.py`"),
        ("[sheet](../examples/campaign.csv)", "[sheet](../examples/campaign.csv)"),
        ("[site](https://example.com/x.py)", "[site](https://example.com/x.py)"),
        ("```md\n[a](../storage/settings.py)\n```", "```md\n[a](../storage/settings.py)\n```"),
    ],
)
def test_links_are_rewritten(text: str, expected: str) -> None:
    known = {Path("docs/jobs.md"), pages.DECISIONS}
    assert pages.rewrite(text, Path("docs/page.md"), known)[0] == expected


def test_the_chinese_pages_name_commands_and_settings_that_exist() -> None:
    english = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/campaigns.md"))
    settings = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "zh").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"^reelq campaign (\w+)", text, re.MULTILINE):
            assert f"campaign {command}" in english, f"{page.name}: {command}"
        for key in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", text):
            assert f"{key}`" in settings, f"{page.name}: {key}"
