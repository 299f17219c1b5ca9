"""Another stage on the embedded cloud: SmolLM2's stand-in plays its model, behind that model's contract."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from .conftest import LocalCloud, Pilot, app_of

MODEL = "Qwen/Qwen2.5-7B-Instruct"
ON_VLLM = f"""
model = "{MODEL}"
instance_types = ["ml.g5.2xlarge"]
window_tokens = 400
"""


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


@pytest.fixture(scope="module")
def vllm(pilot: Pilot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A model by its id on huggingface.co, whose container speaks OpenAI's contract, deployed in a cloud of its own."""
    folder = tmp_path_factory.mktemp("vllm")
    its_own = {
        "PILOTLIGHT_CLOUD_FOLDER": str(folder / "pilot"),
        "CDK_APP": app_of(folder, ON_VLLM),
    }
    try:
        started = pilot("local", "up", "--weights", "tiny", "--json", **its_own)
        assert started.returncode == 0, started.stderr
        yield LocalCloud(**json.loads(started.stdout))
    finally:
        pilot("local", "down", **its_own)


@pytest.fixture
def client(vllm: LocalCloud) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{vllm.api_url}/v1", api_key=vllm.api_key, max_retries=0) as made:
        yield made


class TestOpenAIsContract:
    """OpenAI's own client, the API, and a container that speaks as OpenAI does."""

    def test_the_models_are_listed(self, client: OpenAI) -> None:
        assert MODEL in [model.id for model in client.models.list()]

    def test_a_chat_reaches_the_container_as_messages(self, vllm: LocalCloud, client: OpenAI) -> None:
        """It has a template of its own, and counts by itself."""
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "light"}],
            n=2,
            seed=1,
            max_tokens=6,
            temperature=0.8,
        )
        received = vllm.invocations()[-1]
        assert received["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "light"},
        ]
        assert (received["n"], received["seed"], received["max_tokens"], received["temperature"]) == (2, 1, 6, 0.8)
        assert "prompt" not in received
        assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
        assert answer.usage
        assert answer.usage.completion_tokens == 12
        assert answer.model_extra == {"pilotlight": {"estimated": []}}

    def test_a_text_is_completed_up_to_a_stop(self, vllm: LocalCloud, client: OpenAI) -> None:
        answer = client.completions.create(model=MODEL, prompt="light water", max_tokens=8, temperature=0, stop=["."])
        received = vllm.invocations()[-1]
        assert (received["prompt"], received["stop"], received["temperature"]) == ("light water", ["."], 0)
        assert "." not in answer.choices[0].text
        assert answer.usage
        assert 0 < answer.usage.completion_tokens <= 8

    def test_what_is_longer_than_the_stated_window_is_refused_as_openai_does(
        self, vllm: LocalCloud, client: OpenAI
    ) -> None:
        before = vllm.invocations()
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(model=MODEL, prompt="light water. " * 200, max_tokens=8)
        assert caught.value.code == "context_length_exceeded"
        assert "400" in caught.value.message
        assert vllm.invocations() == before

    def test_the_native_routes_speak_it_too(self, vllm: LocalCloud) -> None:
        answer = vllm.generate(["light", "bridge"], max_length=40, seed=1)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["generated_texts"]) == 2
        assert [request["prompt"] for request in vllm.invocations()[-2:]] == ["light", "bridge"]
        text = "light water paper bridge window garden. " * 30
        answer = vllm.call("POST", "/tasks/summarize", {"article": text, "truncate": "tail"})
        assert answer.status_code == 200, answer.text
        [cut] = answer.json()["cut"]
        assert vllm.invocations()[-1]["prompt"] == f"{text[: cut['start']]} ==> Short summary:"
