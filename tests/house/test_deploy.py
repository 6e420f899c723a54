"""The files under deploy/ name what exists: metrics, options, keys of the configuration, pages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailseal.cli.serve import serve
from mailseal.cli.unitfile import format_unit
from mailseal.config import parse_config
from mailseal.telemetry import HISTOGRAMS, METRICS
from tests.house.source import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
UNIT = DEPLOY / "systemd" / "mailseal.service"
MOST_EXPOSED = 2.5
"""The score of `systemd-analyze security` may be this at most; it was 1.9 when this was written."""


def panels() -> list[Any]:
    return list(json.loads((DEPLOY / "grafana" / "mailseal.json").read_text())["panels"])


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_every_metric_that_the_dashboard_names_exists(panel: Any) -> None:
    known = METRICS.keys() - HISTOGRAMS.keys()
    known |= {f"{name}{end}" for name in HISTOGRAMS for end in ("_bucket", "_sum", "_count")}
    for target in panel["targets"]:
        named = set(re.findall(r"\bmailseal_[a-z_]+", target["expr"]))
        assert named, "a panel shows something of ours"
        assert named <= known


def test_the_dashboard_shows_all_that_is_promised() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    left_out = {name for name in METRICS if name not in shown}
    assert left_out == {"mailseal_engine_signatures_total"}, "only where batches are on"


def test_the_unit_is_the_one_that_init_writes() -> None:
    usual = format_unit(
        "/usr/bin/mailseal", Path("/etc/mailseal/mailseal.toml"), "mailseal", Path("/var/lib/mailseal")
    )
    assert UNIT.read_text() == usual


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_takes_away_what_systemd_can_take_away() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for mailseal.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED


def kubernetes() -> dict[tuple[str, str], Any]:
    """The objects by kind and name."""
    objects = yaml.safe_load_all((DEPLOY / "kubernetes" / "mailseal.yaml").read_text())
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def test_the_kubernetes_example_configures_what_can_be_configured() -> None:
    found = kubernetes()
    [container] = found["Deployment", "mailseal"]["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value", "postgresql://db/mailseal") for one in container["env"]}
    text = found["ConfigMap", "mailseal"]["data"]["mailseal.toml"]
    config = parse_config(text, environment, where="the example")
    assert config.store.master_key == "env:MASTER_KEY"
    assert config.api.metrics == "$(POD_IP):9590"
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listening = (config.api.listen[0], config.dns.listen[0], config.submission.listen[0], config.api.metrics)
    assert [int(one.rpartition(":")[2]) for one in listening] == [
        *(ports["api"], ports["dns"], ports["submission"], ports["metrics"])
    ]
    mounted = [one["mountPath"] for one in container["volumeMounts"]]
    for needed in (config.api.certificate, config.api.control, config.submission.certificate_key):
        assert any(needed.startswith(f"{path}/") for path in mounted), needed


def test_the_kubernetes_example_starts_and_asks_what_there_is() -> None:
    [container] = kubernetes()["Deployment", "mailseal"]["spec"]["template"]["spec"]["containers"]
    command, *options = container["args"]
    assert command == "serve"
    known = {name for parameter in serve.params for name in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")}
    assert probes == {"/healthz", "/readyz"}


def test_services_lead_to_ports_of_the_pod() -> None:
    found = kubernetes()
    [container] = found["Deployment", "mailseal"]["spec"]["template"]["spec"]["containers"]
    named = {port["name"] for port in container["ports"]}
    for service in (found["Service", "mailseal"], found["Service", "mailseal-dns"]):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_the_container_copies_what_is_there_and_runs_the_program() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (CHECKOUT / source).exists(), line
    [command] = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    assert command[0] == serve.name
