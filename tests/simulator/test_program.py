"""The program around it: state that survives, options, signals, and independence from the project."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.simulator.test_endpoints import order
from tests.simulator_client import SANDBOX, ControlRefused, Simulator
from tests.simulator_process import ROOT

Start = Callable[..., Simulator]


def test_a_kill_right_after_the_sale_keeps_sale_and_booking(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "20")
    simulator.order_fault("crash_after", "order")
    body = {"planCode": "KD0001", "quantity": 3}
    with pytest.raises(requests.ConnectionError):
        simulator.call("POST", "/esim/orders", json=body)
    assert simulator.wait_for_death() == -signal.SIGKILL
    simulator.start()
    [entry] = simulator.orders()
    assert (entry["plan"], entry["quantity"], len(entry["refs"])) == ("KD0001", 3, 3)
    assert [line["iccid"] for line in simulator.lines()] == entry["refs"]
    inquiry = simulator.call("GET", f"/esim/transactions/{entry['reference']}")
    assert inquiry.json()["iccids"] == entry["refs"]
    assert [request["outcome"] for request in simulator.requests("order")] == ["pending"]
    assert simulator.call("POST", "/esim/orders", json=body).status_code == 200
    assert len(set(simulator.sold_iccids())) == 6


def test_everything_survives_a_restart_at_the_same_address(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "20")
    iccid = order(simulator)["esims"][0]["iccid"]
    simulator.move_clock(at="2030-01-01T00:00:00Z", frozen=True)
    simulator.use_data(iccid, 512)
    simulator.set_switches(order_status=201)
    simulator.set_limits(order=77)
    simulator.order_fault("hang", "plans", times=3)
    simulator.change_plan("KD0001", netPrice="1.11")
    url, line, faults = simulator.url, simulator.line(iccid), simulator.faults()
    simulator.kill()
    simulator.start()
    assert simulator.url == url
    assert (simulator.line(iccid), simulator.faults()) == (line, faults)
    assert simulator.now() == "2030-01-01T00:00:00.000Z"
    assert simulator.plan("KD0001")["netPrice"] == "1.11"
    assert simulator.call("POST", "/esim/orders", json={"planCode": "KD0001", "quantity": 1}).status_code == 201


def test_two_simulators_cannot_share_a_state(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "20")
    command = [sys.executable, "-m", "providers.simulator", "--state", str(simulator.state)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (second.returncode, second.stdout) == (2, "")
    assert "locked" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_fast_even_with_hanging_calls(start_simulator: Start, number: signal.Signals) -> None:
    simulator = start_simulator("--plans", "20")
    simulator.order_fault("hang", "plans")
    with pytest.raises(requests.ReadTimeout):
        simulator.call("GET", "/esim/plans", timeout=0.1)
    started = time.monotonic()
    os.kill(simulator.pid, number)
    assert simulator.wait_for_death() == 0
    assert time.monotonic() - started < 2


def test_paths_keys_and_limits_are_options(start_simulator: Start) -> None:
    simulator = start_simulator(
        *("--plans", "20", "--key-id", "k", "--key-secret", "s", "--limit", "order=1", "--limit", "status=none"),
        *("--paths", '{"order": "PUT /v2/buy", "status": "POST /v2/lines/{iccid}/state"}'),
    )
    headers = {"X-API-Key-ID": "k", "X-API-Key-Secret": "s"}
    body = {"planCode": "KD0001", "quantity": 1}
    assert simulator.call("POST", "/esim/orders", json=body, headers=headers).status_code == 404
    answer = simulator.call("PUT", "/v2/buy", json=body, headers=headers)
    assert answer.status_code == 200
    iccid = answer.json()["esims"][0]["iccid"]
    line = simulator.call("POST", f"/v2/lines/{iccid}/state", headers=headers)
    assert (line.json()["iccid"], "X-RateLimit-Limit" in line.headers) == (iccid, False)
    assert simulator.call("PUT", "/v2/buy", json=body, headers=headers).status_code == 429
    assert simulator.call("POST", "/esim/orders", json=body, system=SANDBOX).status_code == 200


@pytest.mark.parametrize(
    "options", [["--paths", "{"], ["--paths", '{"x": "GET /"}'], ["--limit", "order=x"], ["--port", "x"]]
)
def test_a_wrong_option_is_told(options: list[str]) -> None:
    command = [sys.executable, "-m", "providers.simulator", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_the_management_command_is_the_same_program(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    command = [sys.executable, str(ROOT / "manage.py"), "simulator", "--plans", "20", "--state", str(state)]
    environment = {**os.environ, "ROAMDESK_DEMO": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        url = line.removeprefix("listening on ").strip()
        health = requests.get(f"{url}/_control/health", timeout=5).json()
        assert health["systems"]["commerce"] == {"prefix": "/commerce", "plans": 20, "lines": 0}
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
        if process.stdout is not None:
            process.stdout.close()
    assert state.exists()


def test_it_imports_nothing_but_the_standard_library_and_itself() -> None:
    files = list((ROOT / "providers" / "simulator").rglob("*.py"))
    assert len(files) > 20
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                names = [str(node.module)]
            for name in names:
                own = name.startswith("providers.simulator.")
                assert own or name.split(".")[0] in sys.stdlib_module_names, f"{file}: {name}"


def test_the_catalogue_changes_when_told_and_a_reset_brings_the_first_one_back(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "30")
    codes = simulator.plan_codes()
    plan = simulator.plan(codes[1])
    simulator.change_plan(codes[1], netPrice="0.01", planName="Renamed")
    simulator.remove_plans(codes[2], codes[3])
    simulator.add_plan({**plan, "planCode": "NEW1"})
    listed = simulator.call("GET", "/esim/plans?limit=200").json()
    assert [item["planCode"] for item in listed["items"]] == [*codes[:2], *codes[4:], "NEW1"]
    assert (listed["items"][1]["netPrice"], listed["items"][1]["planName"]) == ("0.01", "Renamed")
    assert listed["meta"]["total"] == 29
    body = {"planCode": codes[2], "quantity": 1}
    assert simulator.call("POST", "/esim/orders", json=body).status_code == 404
    simulator.restore_plans(codes[3])
    assert simulator.plan_codes() == [*codes[:2], *codes[3:], "NEW1"]
    assert simulator.plan_codes(SANDBOX) == codes
    simulator.reset()
    assert (simulator.plan_codes(), simulator.plan(codes[1])) == (codes, plan)
    with pytest.raises(ControlRefused):
        simulator.add_plan(plan)


def test_twenty_thousand_plans_are_generated_and_read_in_seconds(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "10")
    started = time.monotonic()
    simulator.generate_plans(20_000)
    seen = set()
    for page in range(1, 101):
        seen |= {p["planCode"] for p in simulator.call("GET", f"/esim/plans?page={page}&limit=200").json()["items"]}
    assert len(seen) == 20_000
    assert time.monotonic() - started < 20
    simulator.reset(plans=25, seed=2)
    assert simulator.health()["systems"]["commerce"]["plans"] == 25


def test_the_same_seed_gives_the_same_catalogue(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "40")
    first = simulator.call("GET", "/esim/plans?limit=40").content
    simulator.reset(seed=7)
    assert simulator.call("GET", "/esim/plans?limit=40").content != first
    simulator.reset()
    assert simulator.call("GET", "/esim/plans?limit=40").content == first
    assert start_simulator("--plans", "40").call("GET", "/esim/plans?limit=40").content == first
