"""Another stage on the embedded cloud: SmolLM2's stand-in plays its model, behind that model's contract."""

import json
from pathlib import Path

from openai import OpenAI

from .conftest import LocalCloud, Pilot


def test_falcon_speaks_its_own_contract_behind_the_same_api(pilot: Pilot, tmp_path: Path) -> None:
    folder = {"PILOTLIGHT_CLOUD_FOLDER": str(tmp_path / "falcon")}
    try:
        started = pilot("local", "up", "--stage", "falcon", "--weights", "tiny", "--json", **folder)
        assert started.returncode == 0, started.stderr
        cloud = LocalCloud(**json.loads(started.stdout))
        assert cloud.stack_names[0] == "Pilotlight-falcon-Foundation"
        answer = cloud.generate(["light", "bridge"], max_length=80, trim_at=";")
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["generated_texts"]) == 2
        assert answer.json()["model"] == "falcon-7b-instruct"
        received = cloud.invocations()
        assert [body["inputs"] for body in received] == ["light", "bridge"]
        assert received[0]["parameters"]["return_full_text"] is False
        assert cloud.generate("light", num_beams=2).json()["error"]["param"] == "num_beams"
        assert cloud.call("GET", "/endpoint").json()["instance_type"] == "ml.g5.2xlarge"
        chat_in_its_own_format(cloud)
        deployed_again_once_destroyed(cloud, pilot, folder)
    finally:
        pilot("local", "down", **folder)
    assert not (tmp_path / "falcon").exists()


def chat_in_its_own_format(cloud: LocalCloud) -> None:
    """OpenAI's client over TGI, which counts tokens and says why a text ended."""
    with OpenAI(base_url=f"{cloud.api_url}/v1", api_key=cloud.api_key) as client:
        answer = client.chat.completions.create(
            model="falcon-7b-instruct", messages=[{"role": "user", "content": "light"}], n=2, seed=1, max_tokens=6
        )
    first, second = cloud.invocations()[-2:]
    assert first["inputs"] == second["inputs"] == "\n\nUser: light\n\nAssistant:"
    assert (first["parameters"]["seed"], second["parameters"]["seed"]) == (1, 2)
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage
    assert answer.usage.completion_tokens == 12


def deployed_again_once_destroyed(cloud: LocalCloud, pilot: Pilot, folder: dict[str, str]) -> None:
    """`local up` after `cdk destroy`; what the caller's shell has set is not the cloud's business."""
    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName="Pilotlight-falcon-Api")
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName="Pilotlight-falcon-Api", WaiterConfig={"Delay": 1})
    theirs = {"AWS_PROFILE": "nope", "TMPDIR": "/nonexistent", "HTTP_PROXY": "http://127.0.0.1:1"}
    again = pilot("local", "up", "--stage", "falcon", "--json", **folder, **theirs)
    assert again.returncode == 0, again.stderr
    anew = LocalCloud(**json.loads(again.stdout))
    assert anew.pid == cloud.pid
    assert anew.generate("light", max_length=80).status_code == 200
