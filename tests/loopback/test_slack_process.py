"""The stand-ins as processes: one command starts them all, and one signal ends them."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """All stand-ins around the small company; yields the addresses and the process."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "loopback", "--small", "--clock", "simulated", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            yield json.loads(child.stdout.readline()), child
        finally:
            child.terminate()


def read(url, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def test_every_stand_in_introduces_all_of_them(company):
    services, _ = company
    assert set(services) == {"slack", "google", "model", "ledger", "crm", "clock"}
    for name in ("slack", "google", "model"):
        assert read(f"{services[name]['control_url']}/_local/services") == services


def test_the_sample_companys_people_are_in_the_workspace(company):
    services, _ = company
    state = read(f"{services['slack']['control_url']}/_local/state")
    assert {"maya", "jonas", "cadre"} <= {one["name"] for one in state["users"]}
    finance = next(one for one in state["channels"] if one["name"] == "finance")
    assert finance["messages"] > 0
    token = {"Authorization": f"Bearer {services['slack']['bot_token']}"}
    assert read(f"{services['slack']['api_url']}auth.test", {}, **token)["user_id"] == "UCADRE"


def test_all_of_them_follow_one_clock(company):
    services, _ = company
    before = read(services["clock"]["url"])["now"]
    read(f"{services['google']['control_url']}/_local/clock", {"advance_s": 3600})
    assert read(services["clock"]["url"])["now"] - before >= 3600
    assert read(f"{services['slack']['control_url']}/_local/state")["clock"]["now"] - before >= 3600


def test_one_signal_ends_them_cleanly(company):
    services, child = company
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 0
    with pytest.raises(OSError):
        read(f"{services['ledger']['url']}")
