"""The whole program on a tiny model: what it writes, prints and refuses; interrupted, repeated, spread over hosts."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.jobs import PROGRAM, Job, dolly

# From SageMaker JumpStart's spec of meta-textgeneration-llama-2-7b 3.0.0, `metrics`.
METRICS: list[dict[str, str]] = json.loads((Path(__file__).parent / "jumpstart_llama2_7b.json").read_text())["metrics"]
ENDS_SECONDS = 240  # a few on an idle machine

Run = Callable[[Job], int]
Make = Callable[[], Job]


def _answer(folder: Path, text: str) -> str:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    inputs = tokenizer(text, return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=4, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    decoded: str = tokenizer.decode(written[0])
    return decoded


def test_the_model_is_a_folder_that_loads_and_answers_otherwise_than_the_base(trained: Job, tiny: Path) -> None:
    prompt = "### Response:\n"

    assert _answer(trained.root / "model", prompt) != _answer(tiny, prompt)


def test_the_facts_of_the_training_stand_beside_the_model(trained: Job) -> None:
    facts = trained.facts

    assert [one["epoch"] for one in facts["epochs"]] == [1, 2]
    assert facts["epochs"][1]["train_loss"] < facts["epochs"][0]["train_loss"]
    best = min(facts["epochs"], key=lambda one: one["eval_loss"])
    assert facts["best_epoch"] == best["epoch"]
    assert facts["rows"] == {"train": 8, "validation": 2}
    assert facts["hyperparameters"]["learning_rate"] == 0.01
    assert facts["seconds"] > 0


def test_the_same_job_gives_the_same_model_and_prints_jumpstarts_metrics(
    trained: Job, make_job: Make, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    again = make_job()
    again.rows(*dolly(10))
    again.ask(instruction_tuned="True", epoch="2", learning_rate="1e-2", max_input_length="256")
    assert run(again) == 0

    assert again.weights == trained.weights
    printed = capsys.readouterr().out
    epochs = again.facts["epochs"]
    wanted = {
        "eval-loss": [one["eval_loss"] for one in epochs],
        "eval-ppl": [one["eval_perplexity"] for one in epochs],
        "train-loss": [one["train_loss"] for one in epochs],
    }
    for metric in METRICS:
        read = [float(value) for value in re.findall(metric["Regex"], printed)]
        assert read == pytest.approx(wanted[metric["Name"].partition(":")[2]], abs=1e-5)


def test_the_best_epoch_is_the_one_that_is_written(make_job: Make, run: Run) -> None:
    """Three rows are soon known by heart, and one of another kind is then understood worse and worse."""

    def trained_for(epochs: int) -> Job:
        job = make_job()
        job.rows(*dolly(3))
        job.rows({"instruction": "x", "context": "", "response": "capital garden"}, channel="validation")
        job.ask(instruction_tuned="True", epoch=str(epochs), learning_rate="1e-1", max_input_length="256")
        assert run(job) == 0
        return job

    job = trained_for(8)
    best = job.facts["best_epoch"]
    assert best < 8
    assert job.weights == trained_for(best).weights


def test_a_run_that_is_interrupted_and_goes_on_gives_the_same_model(trained: Job, make_job: Make, run: Run) -> None:
    job = make_job()
    job.rows(*dolly(10))
    job.ask(instruction_tuned="True", epoch="2", learning_rate="1e-2", max_input_length="256")
    environment = os.environ | {"PILOTLIGHT_ML_ROOT": str(job.root)}
    with subprocess.Popen(PROGRAM, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # it listens before it says anything
            if "rows to train on" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(ENDS_SECONDS) == 143
    assert [path.suffix for path in (job.root / "checkpoints").iterdir()] == [".pt"]
    assert not (job.root / "model").exists()
    assert not (job.root / "output").exists()

    assert run(job) == 0
    assert job.weights == trained.weights
    assert [one["train_loss"] for one in job.facts["epochs"]] == [one["train_loss"] for one in trained.facts["epochs"]]


def test_a_finished_run_that_is_started_again_writes_the_same_model(trained: Job, make_job: Make, run: Run) -> None:
    job = make_job()
    job.rows(*dolly(10))
    job.ask(instruction_tuned="True", epoch="2", learning_rate="1e-2", max_input_length="256")
    (job.root / "checkpoints").symlink_to(trained.root / "checkpoints")

    assert run(job) == 0
    assert job.weights == trained.weights
    assert job.facts["seconds"] == trained.facts["seconds"]


def test_a_checkpoint_that_cannot_be_read_is_passed_over(
    job: Job, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    job.rows(*dolly(2))
    job.ask(instruction_tuned="True", epoch="1", validation_split_ratio="0")
    (job.root / "checkpoints").mkdir()
    (job.root / "checkpoints" / "epoch-0009-row-0.pt").write_bytes(b"half")

    assert run(job) == 0
    assert "is passed over" in capsys.readouterr().out
    assert job.facts["epochs"][0]["eval_loss"] is None


def test_a_checkpoint_of_another_run_is_refused(trained: Job, job: Job, run: Run) -> None:
    job.rows(*dolly(11))
    job.ask(instruction_tuned="True", epoch="2", learning_rate="1e-2", max_input_length="256")
    (job.root / "checkpoints").symlink_to(trained.root / "checkpoints")

    assert run(job) == 1
    assert "is of a run with other rows" in job.failure


def test_documents_are_packed_into_blocks(job: Job, run: Run) -> None:
    (job.channel("training") / "notes.csv").write_text("text\n" + "the lamp burns\n" * 20)
    job.ask(epoch="1", learning_rate="1e-2", max_input_length="64")

    assert run(job) == 0
    assert job.facts["rows"] == {"train": 16, "validation": 4}


def test_a_falcon_learns_too(tiny: Path, job: Job, run: Run, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, FalconConfig, FalconForCausalLM

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": len(tokenizer),
    }
    config = FalconConfig(**sizes, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    model: Any = FalconForCausalLM(config)
    model.save_pretrained(tmp_path / "falcon")
    tokenizer.save_pretrained(tmp_path / "falcon")
    job.model(tmp_path / "falcon")
    job.rows(*dolly(4))
    job.ask(instruction_tuned="True", epoch="1", learning_rate="1e-1")

    assert run(job) == 0
    assert _answer(job.root / "model", "lamp")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"epoch": "0"}, "Hyperparameter epoch is '0': it must be a whole number from 1 to 1000."),
        ({"int8_quantization": "True"}, "no CUDA GPU"),
        ({"max_input_length": "4096"}, "this model reads 2048 tokens at most"),
        ({"max_input_length": "8"}, "No training row has a token to learn within max_input_length"),
        ({"chat_dataset": "True", "instruction_tuned": "False"}, "tokenizer has no chat template"),
    ],
)
def test_what_cannot_be_trained_fails_in_one_sentence(job: Job, run: Run, asked: dict[str, str], words: str) -> None:
    job.rows(*dolly(4))
    job.ask(**({"instruction_tuned": "True"} | asked))

    assert run(job) == 1
    assert words in job.failure
    assert "\n" not in job.failure
    assert not (job.root / "model").exists()


def test_a_channel_without_a_model_fails_in_one_sentence(job: Job, run: Run, tmp_path: Path) -> None:
    job.rows(*dolly(4))
    job.ask(instruction_tuned="True")
    (job.root / "input" / "data" / "model").unlink()
    assert run(job) == 1
    assert "no input channel model" in job.failure

    job.model(tmp_path)
    assert run(job) == 1
    assert "holds no model (config.json is missing)" in job.failure

    (tmp_path / "config.json").write_text("{}")
    assert run(job) == 1
    assert "The tokenizer in the channel model cannot be read" in job.failure


def test_two_hosts_share_a_model_and_come_to_the_same_loss(make_job: Make) -> None:
    """FSDP without dropout: half the batch on each host is the batch of one, up to the order of summation."""
    hosts = ["localhost", "127.0.0.1"]
    alone = make_job()
    jobs = [make_job() for _ in hosts]
    for job, batch in ((alone, "4"), *((job, "2") for job in jobs)):
        job.rows(*dolly(7))  # the last batch has one row: a host has none
        job.ask(instruction_tuned="True", epoch="1", per_device_train_batch_size=batch, lora_dropout="0")
    for job, host in zip(jobs, hosts, strict=True):
        job.config("resourceconfig.json", {"current_host": host, "hosts": hosts})

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environments = [os.environ | {"PILOTLIGHT_ML_ROOT": str(job.root), "MASTER_PORT": port} for job in (alone, *jobs)]
    processes = [subprocess.Popen(PROGRAM, env=environment) for environment in environments]
    assert [process.wait(ENDS_SECONDS) for process in processes] == [0, 0, 0]

    (one,), (shared,) = alone.facts["epochs"], jobs[0].facts["epochs"]
    assert shared["train_loss"] == pytest.approx(one["train_loss"], rel=1e-4)
    assert shared["eval_loss"] == pytest.approx(one["eval_loss"], rel=1e-4)
    assert not (jobs[1].root / "model").exists()
    assert (jobs[0].root / "model" / "config.json").is_file()
