"""The Helm chart, as it is rendered from three samples of values. Helm itself is needed only to render them again.

`make chart` renders and checks against Kubernetes' schemas; a digest in each rendered file says of which chart it is.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from producer.local.processes import commands
from storage.settings import Settings
from tools.chart import files
from worker.ending import STOP_S, stop_limit_s

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-chart" / "bin" / "python"
SAMPLES = files.samples()


def documents(name: str) -> list[dict[str, Any]]:
    text = (files.RENDERED / f"{name}.yaml").read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document]


def pods(name: str) -> dict[str, dict[str, Any]]:
    """By part: what a pod is made from."""
    found = {}
    for document in documents(name):
        pod = document if document["kind"] == "Pod" else document.get("spec", {}).get("template")
        if pod is not None:
            found[pod["metadata"]["labels"]["app.kubernetes.io/component"]] = pod
    return found


def of_kind(name: str, kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in documents(name) if document["kind"] == kind}


EVERY_POD = [
    pytest.param(pod, id=f"{sample.stem}-{part}") for sample in SAMPLES for part, pod in pods(sample.stem).items()
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_rendered_files_are_of_this_chart(sample: Path) -> None:
    rendered = (files.RENDERED / sample.name).read_text(encoding="utf-8")
    assert rendered.startswith(files.header(sample)), "run `make chart` and look at what changed"


@pytest.mark.skipif(not PYTHON.exists(), reason="needs what `make chart` installs")
def test_helm_renders_them_and_kubernetes_would_take_them() -> None:
    check = [str(PYTHON), "-m", "tools.chart", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_and_the_defaults_fit_the_schema(sample: Path) -> None:
    schema = json.loads((files.CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((files.CHART / "values.yaml").read_text(encoding="utf-8"))
    jsonschema_rs.validate(schema, defaults)
    assert schema["properties"].keys() - {"global"} == defaults.keys()
    given = yaml.safe_load(sample.read_text(encoding="utf-8"))
    assert given.keys() <= defaults.keys()


def test_the_versions_are_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    chart = yaml.safe_load((files.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_it_starts_the_same_processes_as_up() -> None:
    started = {part: tuple(pod["spec"]["containers"][0]["command"]) for part, pod in pods("everything").items()}
    assert started == {
        "migrations": ("reelq", "db", "upgrade"),
        "doctor": ("reelq", "doctor"),
        "scheduler": commands.SCHEDULER,
        "worker-submit-poll": commands.WORKER_SUBMIT_POLL,
        "worker-transfer": commands.WORKER_TRANSFER,
        "api": commands.api("0.0.0.0", 8080),
        "flower": commands.flower("0.0.0.0", 5555, "/tmp/flower/tasks"),
    }


@pytest.mark.parametrize("pod", EVERY_POD)
def test_no_part_can_write_or_gain_anything(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/etc/reelq", "/tmp"}
    [temporary] = [volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume]
    assert temporary["sizeLimit"], "what is written there has a limit"


@pytest.mark.parametrize("pod", EVERY_POD)
def test_the_variables_of_each_part_are_settings(pod: dict[str, Any]) -> None:
    """Services would bring variables such as REELQ_API_PORT, which are none."""
    assert pod["spec"]["enableServiceLinks"] is False
    for container in pod["spec"]["containers"]:
        assert container["envFrom"], "secrets come from Secrets that exist"
        for variable in container["env"]:
            name = variable["name"]
            assert name == "REELQ_CONFIG" or name.removeprefix("REELQ_").lower() in Settings.model_fields
            assert not re.search("PASSWORD|SECRET|KEY", name)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_part_that_goes_on_is_probed_and_ends_in_order(sample: Path) -> None:
    grace = Settings.model_fields["submit_timeout_seconds"].default
    for document in documents(sample.stem):
        if document["kind"] != "Deployment":
            continue
        spec = document["spec"]["template"]["spec"]
        [container] = spec["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
        if container["name"].startswith("worker"):
            assert spec["terminationGracePeriodSeconds"] >= grace + 30 > stop_limit_s(Settings(), {"submit"})
        if container["name"] == "scheduler":
            assert spec["terminationGracePeriodSeconds"] > STOP_S
        if "ports" in container:
            assert container["lifecycle"]["preStop"]
            assert "readyz" not in str(container["livenessProbe"]), "a restart brings no server back"
        if container["name"] == "api":
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz?for=intake"
        if "exec" in container["livenessProbe"]:
            assert "REELQ_ALIVE_FILE" in {variable["name"] for variable in container["env"]}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_configuration_is_valid_and_has_no_secret(sample: Path) -> None:
    for name, document in of_kind(sample.stem, "ConfigMap").items():
        given = tomllib.loads(document["data"]["reelq.toml"])
        assert Settings.model_validate(given), name
    assert not of_kind(sample.stem, "Secret")


def test_migrations_run_before_everything_else_with_what_they_need() -> None:
    hooks = [d for d in documents("smallest") if "pre-upgrade" in str(d["metadata"].get("annotations"))]
    assert {d["kind"] for d in hooks} == {"ConfigMap", "ServiceAccount", "Job"}
    names = {d["metadata"]["name"] for d in hooks}
    [job] = [d for d in hooks if d["kind"] == "Job"]
    spec = job["spec"]["template"]["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["serviceAccountName"] in names
    assert {v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v} <= names
    weights = {d["kind"]: int(d["metadata"]["annotations"]["helm.sh/hook-weight"]) for d in hooks}
    assert weights["Job"] > weights["ConfigMap"] == weights["ServiceAccount"]
    assert "pre-upgrade" not in str(documents("one-worker")), "a switch turns them off"


def test_pods_are_reached_only_where_a_policy_says_so() -> None:
    policies = of_kind("everything", "NetworkPolicy")
    whole = policies["reelq"]["spec"]
    assert whole["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in whole
    assert "app.kubernetes.io/component" not in whole["podSelector"]["matchLabels"], "every part"
    assert "169.254.0.0/16" in str(whole["egress"])
    assert policies["reelq-api"]["spec"]["ingress"][0]["from"]
    assert "reelq-flower" not in of_kind("smallest", "NetworkPolicy")


def test_replicas_follow_lateness_and_the_nearest_links_death() -> None:
    """The metrics exist, and jobs that wait for slots at gateways do not ask for workers."""
    scaled = of_kind("everything", "ScaledObject")
    queries = {
        (name, trigger["name"]): trigger["metadata"]["query"]
        for name, document in scaled.items()
        for trigger in document["spec"]["triggers"]
    }
    assert queries.keys() == {
        ("reelq-worker-submit-poll", "lateness"),
        ("reelq-worker-transfer", "lateness"),
        ("reelq-worker-transfer", "link-life"),
    }
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "producer" / "api").rglob("*metrics*.py"))
    for query in queries.values():
        for metric in re.findall(r"reelq_\w+", query):
            assert f'"{metric}"' in source
        assert "queued" not in query
        assert query.endswith(" or vector(0)"), "no data asks for no worker"
        assert 'namespace="video"' in query
    for name, document in {**scaled, **of_kind("everything", "HorizontalPodAutoscaler")}.items():
        deployment = of_kind("everything", "Deployment")[document["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in deployment["spec"], f"{name} decides"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (apt-get install prometheus)")
def test_prometheus_counts_what_the_docs_say(tmp_path: Path) -> None:
    """Six workers an hour before a link dies, none without a link, and the most overdue of each kind of work."""
    rules = [
        {"record": re.sub(r"\W", ":", f"{name}:{trigger['name']}"), "expr": trigger["metadata"]["query"]}
        for name, document in of_kind("everything", "ScaledObject").items()
        for trigger in document["spec"]["triggers"]
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "keda", "rules": rules}]}))

    def given(metric: str, labels: str, value: str) -> dict[str, str]:
        return {"series": f'{metric}{{namespace="video"{labels}}}', "values": value}

    def expected(record: str, minute: str, value: float) -> dict[str, Any]:
        sample = {"labels": record, "value": value}
        return {"expr": record, "eval_time": minute, "exp_samples": [sample]}

    life, late = "reelq:worker:transfer:link:life", "reelq:worker:submit:poll:lateness"
    test = {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    given("reelq_video_life_left_seconds", ',pod="a"', "3600 0 stale"),
                    given("reelq_video_life_left_seconds", ',pod="b"', "7200 7200 stale"),
                    given("reelq_job_lateness_seconds", ',state="generating"', "90 90 stale"),
                    given("reelq_job_lateness_seconds", ',state="queued"', "9000 9000 9000"),
                ],
                "promql_expr_test": [
                    expected(life, "0m", 6),
                    expected(life, "1m", 360),
                    expected(life, "2m", 0),
                    expected(late, "0m", 90),
                    expected(late, "2m", 0),
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    check = ["promtool", "test", "rules", "test.yaml"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_selector_finds_the_pods_of_one_part() -> None:
    labels = {part: pod["metadata"]["labels"] for part, pod in pods("everything").items()}
    for kind in ("Service", "PodDisruptionBudget", "Deployment"):
        for name, document in of_kind("everything", kind).items():
            selector = document["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            found = [part for part, has in labels.items() if wanted.items() <= has.items()]
            assert [f"reelq-{part}" for part in found] == [name]


def test_the_images_are_the_dockerfiles() -> None:
    stages = set(
        re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "deploy/docker/Dockerfile").read_text("utf-8"), re.MULTILINE)
    )
    assert {"reelq", "media"} <= stages
    images = {part: pod["spec"]["containers"][0]["image"] for part, pod in pods("smallest").items()}
    with_codecs = {part for part, image in images.items() if image.startswith("registry.example/reelq-media:")}
    assert with_codecs == {"api", "worker-transfer"}


def test_the_alerts_are_those_of_the_rules_file() -> None:
    """The chart has a link to the file: Prometheus' own tool checks it, and there is one definition."""
    source = ROOT / "deploy" / "prometheus" / "alerts.yml"
    assert (files.CHART / "alerts.yml").resolve() == source
    [rule] = of_kind("everything", "PrometheusRule").values()
    assert rule["spec"] == yaml.safe_load(source.read_text(encoding="utf-8"))
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert not of_kind("smallest", "PrometheusRule")
