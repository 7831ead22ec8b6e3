"""What is under deploy/ is read by the tools that will read it, not by eye."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from daemons import COMMAND

from memsnap.collector.discovery.loading import load_settings
from memsnap.collector.metrics import Metrics
from memsnap.web.access.exposure import check_exposure

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES = sorted(
    path for path in (DEPLOY / "kubernetes").rglob("*.yaml") if path.name != "kustomization.yaml"
)
# The oldest release that clouds still run, and the newest that the validator knows.
RELEASES = ("1.29", kubernetes_validate.latest_version())
CONFIGS = [DEPLOY / "compose/config.toml", DEPLOY / "kubernetes/base/config.toml"]


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def metric_names(expression: str) -> set[str]:
    return set(re.findall(r"\bmemsnap_\w+", expression))


@pytest.fixture(scope="module")
def known_metrics() -> set[str]:
    """Every name that a query may use, of families without a sample too."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name + suffix
        for family in Metrics().registry.collect()
        for suffix in suffixes.get(family.type, [""])
    }


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_kubernetes_takes_every_manifest(path: Path, release: str) -> None:
    for document in documents(path):
        kubernetes_validate.validate(document, release, strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kustomize_builds_the_base() -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "kubernetes/base"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    kinds = {document["kind"]: document for document in yaml.safe_load_all(built.stdout)}

    assert {"Namespace", "Deployment", "ClusterRole", "ConfigMap", "Service"} <= kinds.keys()
    selector = kinds["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= kinds["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for document in kinds.values():
        kubernetes_validate.validate(document, RELEASES[-1], strict=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        # The executable has to exist for the check, and is not installed where tests run.
        text = unit.read_text().replace("/usr/local/bin/memsnap", sys.executable)
        (tmp_path / unit.name).write_text(text)
    units = [
        str(path).replace("@.", "@x.") if "@." in path.name else str(path)
        for path in sorted(tmp_path.iterdir())
    ]
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in checked.stderr.splitlines() if "memsnap" in line]

    assert complaints == []


def test_the_units_stop_time_exceeds_the_grace_period() -> None:
    from memsnap.config.settings import CollectorSettings

    grace_s = CollectorSettings().grace_s
    unit = (DEPLOY / "systemd/memsnap.service").read_text()
    (pod,) = documents(DEPLOY / "kubernetes/base/deployment.yaml")

    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > grace_s
    assert pod["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > grace_s


def test_the_dockerfile_has_no_known_trap() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run(
        [hadolint, "--format", "json", DEPLOY / "docker/Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(checked.stdout) == []


def test_the_image_runs_without_root() -> None:
    lines = (DEPLOY / "docker/Dockerfile").read_text().splitlines()

    assert [line for line in lines if line.startswith("USER ")] == ["USER 65532:65532"]
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def image_command(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the image runs where nothing else is asked for, with this configuration."""
    (command,) = re.findall(
        r"^CMD (\[.*\])$", (DEPLOY / "docker/Dockerfile").read_text(), re.MULTILINE
    )
    arguments = [
        str(config) if each == "/etc/memsnap/config.toml" else each for each in json.loads(command)
    ]
    assert str(config) in arguments
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_image_does_not_open_to_a_network_without_a_token(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[target]]\naddress = "http://127.0.0.1:1"\n')

    done = image_command(config, tmp_path)

    said, hint = done.stderr.splitlines()
    assert done.returncode == 2
    assert "0.0.0.0:7070 is open to the network" in said
    assert "memsnap token create" in hint
    assert "listen-without-token" in hint
    assert sorted(tmp_path.iterdir()) == [config]


def test_the_image_without_a_configuration_says_which_file_is_missing(tmp_path: Path) -> None:
    done = image_command(tmp_path / "config.toml", tmp_path)

    assert done.returncode == 1
    assert f"cannot read {tmp_path}/config.toml: no such file" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}")
def test_the_configurations_load(path: Path) -> None:
    settings = load_settings(path, {"STORE_URL": "postgresql://u@h/d"})

    assert settings.targets or settings.discovers


def test_the_sidecars_configuration_loads(tmp_path: Path) -> None:
    _, config, _ = documents(DEPLOY / "kubernetes/sidecar/pod.yaml")
    path = tmp_path / "config.toml"
    path.write_text(config["data"]["config.toml"])

    assert load_settings(path, {}).discovers[0].name == "pod"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}")
def test_the_configurations_may_listen_where_they_say(path: Path) -> None:
    settings = load_settings(path, {"STORE_URL": "postgresql://u@h/d"})

    check_exposure(settings)
    assert str(settings.http.listen) == "0.0.0.0:7070"


def test_compose_publishes_the_port_on_its_machine_only() -> None:
    (compose,) = documents(DEPLOY / "compose/compose.yaml")

    assert compose["services"]["memsnap"]["ports"] == ["127.0.0.1:7070:7070"]


def test_compose_waits_for_a_healthy_store() -> None:
    (compose,) = documents(DEPLOY / "compose/compose.yaml")
    memsnap = compose["services"]["memsnap"]

    assert memsnap["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "healthcheck" in compose["services"]["postgres"]
    dockerfile = DEPLOY / "compose" / memsnap["build"]["context"] / memsnap["build"]["dockerfile"]
    assert dockerfile.resolve().is_file()
    assert (DEPLOY / "compose" / compose["configs"]["memsnap"]["file"]).is_file()


def test_alerts_ask_for_metrics_that_exist(known_metrics: set[str]) -> None:
    (rules,) = documents(DEPLOY / "prometheus/alerts.yaml")
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]

    assert len(alerts) >= 5
    for alert in alerts:
        assert metric_names(alert["expr"]) <= known_metrics, alert["alert"]
        assert {"summary", "description"} <= alert["annotations"].keys()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_the_alerts() -> None:
    subprocess.run(
        ["promtool", "check", "rules", DEPLOY / "prometheus/alerts.yaml"], check=True, timeout=60
    )


def test_the_dashboard_asks_for_metrics_that_exist(known_metrics: set[str]) -> None:
    dashboard = json.loads((DEPLOY / "grafana/memsnap.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    assert len(queries) >= 14
    assert set().union(*map(metric_names, queries)) <= known_metrics
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
