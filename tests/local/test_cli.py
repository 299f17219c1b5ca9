"""The `pilot` command on the session's cloud, as a shell sees it."""

import json
import socket
from pathlib import Path

import psutil
import pytest
import requests

from .conftest import LocalCloud, Pilot, bash


def test_up_is_safe_to_call_twice(cloud: LocalCloud, pilot: Pilot) -> None:
    again = pilot("local", "up", "--weights", "tiny", "--json")
    assert again.returncode == 0
    assert LocalCloud(**json.loads(again.stdout)) == cloud


def test_up_for_another_stage_says_what_to_do_first(cloud: LocalCloud, pilot: Pilot) -> None:
    refused = pilot("local", "up", "--stage", "falcon")
    assert refused.returncode == 1
    assert "pilot local down" in refused.stderr
    assert requests.get(f"{cloud.aws_endpoint_url}/_pilot/faults", timeout=5).ok


def test_status_tells_where_it_is(cloud: LocalCloud, pilot: Pilot) -> None:
    status = json.loads(pilot("local", "status", "--json").stdout)
    assert status["running"] is True
    assert status["aws_endpoint_url"] == cloud.aws_endpoint_url


def test_env_aims_boto3_at_the_cloud(cloud: LocalCloud, pilot: Pilot) -> None:
    script = "import boto3; print(boto3.client('sagemaker').list_endpoints()['Endpoints'][0]['EndpointName'])"
    shell = bash(f'export AWS_PROFILE=mine\n{pilot("local", "env").stdout}\n.venv/bin/python -c "{script}"')
    assert shell.stdout.strip() == cloud.endpoint_name, shell.stderr


@pytest.mark.usefixtures("cloud")
def test_ask_prints_the_answer(pilot: Pilot) -> None:
    asked = pilot("ask", "light the bridge", "--max-length", "40")
    assert asked.returncode == 0
    assert asked.stdout.strip()
    answer = json.loads(pilot("ask", "light the bridge", "--max-length", "40", "--json").stdout)
    assert answer["generated_texts"]


@pytest.mark.usefixtures("cloud")
def test_a_refused_question_is_a_sentence_and_exit_code_1(pilot: Pilot) -> None:
    refused = pilot("ask", " ")
    assert refused.returncode == 1
    assert "text_inputs" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.usefixtures("cloud")
def test_status_speaks_json(pilot: Pilot) -> None:
    assert json.loads(pilot("status", "--json").stdout)["endpoint_name"] == "pilotlight-local"
    assert "ml.g4dn.12xlarge" in pilot("status").stdout


@pytest.mark.usefixtures("cloud")
def test_nobody_to_ask_means_no(pilot: Pilot) -> None:
    refused = pilot("off")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr


def test_everything_listens_on_loopback_only(cloud: LocalCloud) -> None:
    family = [psutil.Process(cloud.pid), *psutil.Process(cloud.pid).children(recursive=True)]
    listening = [c for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_the_callers_own_settings_do_not_divert_it(cloud: LocalCloud, pilot: Pilot) -> None:
    theirs = {
        "AWS_PROFILE": "nope",
        "AWS_ENDPOINT_URL_CLOUDFORMATION": "http://127.0.0.1:1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "TMPDIR": "/nonexistent",
    }
    asked = pilot("ask", "light the bridge", "--max-length", "40", **theirs)
    assert asked.returncode == 0, asked.stderr
    exports = pilot("local", "env", **theirs).stdout
    assert "AWS_ENDPOINT_URL_CLOUDFORMATION" in exports.splitlines()[0]
    again = pilot("local", "up", "--json", **theirs)
    assert json.loads(again.stdout)["pid"] == cloud.pid


class TestWithoutACloud:
    """Each in a folder of its own, where none runs."""

    def test_status_says_so(self, pilot: Pilot, tmp_path: Path) -> None:
        status = pilot("local", "status", "--json", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "none"))
        assert status.returncode == 1
        assert json.loads(status.stdout) == {"running": False}

    def test_down_forgets_nothing(self, pilot: Pilot, tmp_path: Path) -> None:
        down = pilot("local", "down", "--json", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "none"))
        assert json.loads(down.stdout) == {"stopped": False}

    def test_env_says_how_to_get_one(self, pilot: Pilot, tmp_path: Path) -> None:
        refused = pilot("local", "env", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "none"))
        assert refused.returncode == 1
        assert "pilot local up" in refused.stderr
        assert refused.stdout == ""

    @pytest.mark.parametrize("command", ["up", "down"])
    def test_a_file_in_the_way_is_a_sentence(self, pilot: Pilot, tmp_path: Path, command: str) -> None:
        (tmp_path / "file").write_text("x")
        refused = pilot("local", command, PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "file"))
        assert refused.returncode == 1
        assert str(tmp_path / "file") in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_a_stale_folder_is_not_believed(self, cloud: LocalCloud, pilot: Pilot, tmp_path: Path) -> None:
        """A cloud that was killed leaves local.json behind, with a process id that may be anybody's."""
        stale = {**vars(cloud), "pid": 1}
        (tmp_path / "local.json").write_text(json.dumps(stale))
        (tmp_path / "cloud.pid").write_text("1")
        status = pilot("local", "status", "--json", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path))
        assert json.loads(status.stdout) == {"running": False}
        aimed = pilot("on", "--yes", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path))
        assert aimed.returncode == 1
        assert "--aws" in aimed.stderr  # and nothing was lit on AWS
        assert json.loads(pilot("local", "down", "--json", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path)).stdout)["stopped"]
        assert not tmp_path.exists()

    def test_a_port_in_use_is_a_sentence(self, pilot: Pilot, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            refused = pilot("local", "up", "--port", port, PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "new"))
        assert refused.returncode == 1
        assert port in refused.stderr
        assert not (tmp_path / "new").exists()

    def test_no_node_is_a_sentence(self, pilot: Pilot, tmp_path: Path) -> None:
        refused = pilot("local", "up", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "new"), PATH=str(tmp_path))
        assert refused.returncode == 1
        assert "Install Node" in refused.stderr

    def test_a_stage_that_must_not_be_built_starts_nothing(self, pilot: Pilot, tmp_path: Path) -> None:
        refused = pilot("local", "up", "--stage", "llama2", PILOTLIGHT_CLOUD_FOLDER=str(tmp_path / "new"))
        assert refused.returncode == 1
        assert "accept_eula" in refused.stderr
        assert not (tmp_path / "new").exists()
