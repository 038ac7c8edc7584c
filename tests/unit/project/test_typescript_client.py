"""The TypeScript client fits the API and the release, without npm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.openapi_document import digest, document

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "client-ts"
GENERATED = CLIENT / "src" / "generated"
STALE = "the types of client-ts are older than the API: run `make client-ts-types` and commit src/generated"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def test_the_generated_types_are_those_of_the_api(described: dict[str, Any]) -> None:
    for name in ("schema.ts", "routes.ts"):
        assert f"// Types: {digest(described)}\n" in (GENERATED / name).read_text(encoding="utf-8"), STALE


def test_every_route_is_reached(described: dict[str, Any]) -> None:
    table = re.findall(r'^  (\w+): \["(\w+)", "(.+)"\],$', (GENERATED / "routes.ts").read_text("utf-8"), re.MULTILINE)
    declared = {
        (operation["operationId"], method.upper(), path)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert set(table) == declared, STALE


def test_a_changed_type_counts_and_a_changed_text_does_not(described: dict[str, Any]) -> None:
    def changed(schema: str, member: str, **more: Any) -> str:
        copy = json.loads(json.dumps(described))
        copy["components"]["schemas"][schema]["properties"][member] |= more
        return digest(copy)

    assert changed("JobResource", "priority", description="other words", maximum=8) == digest(described)
    assert changed("JobResource", "priority", type="string") != digest(described)
    assert changed("ProblemDetails", "title", type="integer") != digest(described), "a member with a keyword's name"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
@pytest.mark.skipif(not (CLIENT / "node_modules").is_dir(), reason="needs the packages that `make client-ts` installs")
def test_the_generator_gives_what_is_committed(described: dict[str, Any], tmp_path: Path) -> None:
    given = json.dumps({"digest": digest(described), "document": described})
    command = ["node", "scripts/generate.mjs", str(tmp_path)]
    subprocess.run(command, cwd=CLIENT, input=given, text=True, timeout=120, check=True)
    for name in ("schema.ts", "routes.ts"):
        assert (tmp_path / name).read_text("utf-8") == (GENERATED / name).read_text("utf-8"), STALE


def test_its_version_is_the_projects_and_it_needs_no_package() -> None:
    package = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert package["version"] == project["version"]
    assert package["engines"] == {"node": ">=18"}
    assert not {"dependencies", "peerDependencies", "optionalDependencies", "postinstall"} & package.keys()


@pytest.mark.parametrize("folder", [CLIENT, CLIENT / "generators"], ids=lambda folder: folder.name)
def test_the_lock_file_names_no_host_and_every_hash(folder: Path) -> None:
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    installed = {name: entry for name, entry in lock["packages"].items() if name}
    assert installed
    assert [name for name, entry in installed.items() if "resolved" in entry or "integrity" not in entry] == []
