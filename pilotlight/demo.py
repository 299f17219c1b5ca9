"""`make demo`: the whole main job on this machine, told step by step, and nothing left behind.

Runs on an embedded cloud of its own, so one that you have up stays as it is.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pilotlight.auto_off import HOURS_A_MONTH
from pilotlight.cli.main import prepare_process, sentence_for
from pilotlight.cli.target import API_TIMEOUT_SECONDS, call
from pilotlight.deployment import Deployment
from pilotlight.local.cloud import ROOT, Cloud, State

# One example and AlexaTM's own delimiter: the model continues in kind, and runs on, so the answer is cut there.
PROMPT = "Question: What is the capital of Italy? Answer: Rome; Question: What is the capital of France? Answer:"
STAGE = "local"
CHAT: dict[str, Any] = {
    "model": "smollm2-135m-instruct",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 40,
    "temperature": 0,
}
STEPS = 12


@dataclass
class Narrator:
    """Says what happens while it happens, and how long it took."""

    console: Console
    bar: Progress
    steps: int
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._task = self.bar.add_task("", total=self.steps)

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """One step; what the body appends to the list is printed under it, and its first line goes into the
        summary.
        """
        self.bar.update(self._task, description=title)
        begun = time.monotonic()
        said: list[str] = []
        yield said
        seconds = time.monotonic() - begun
        self.rows.append((title, seconds, said[0] if said else ""))
        self.bar.advance(self._task)
        self.console.print(f"[green]✓[/] [bold]{title}[/] [dim]({seconds:.1f} s)[/]")
        for line in said:
            self.console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)

    def doing(self, phrase: str) -> None:
        self.bar.update(self._task, description=phrase)


Story = Callable[[Narrator, Cloud], None]


def main() -> None:
    run(tell, steps=STEPS)


def run(story: Story, *, steps: int) -> None:
    """Tell `story` on an embedded cloud of its own, which is gone afterwards, whatever happens."""
    prepare_process()
    console = Console()
    cloud = Cloud(ROOT / ".pilot-demo")
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            narrator = Narrator(console, bar, steps)
            with cloud.alone():
                try:
                    story(narrator, cloud)
                finally:
                    cloud.stop()
    except KeyboardInterrupt:
        console.print("\nInterrupted: the embedded cloud is stopped, nothing is left.")
        sys.exit(130)
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        console.print(f"[red]{escape(sentence)}[/]\nThe embedded cloud is stopped, nothing is left.", soft_wrap=True)
        sys.exit(1)
    console.print(summary(narrator.rows, time.monotonic() - begun))


def deployed(narrator: Narrator, cloud: Cloud) -> tuple[str, State]:
    """An embedded cloud with everything deployed, and its endpoint lit."""
    with narrator.step("Start an embedded cloud") as said:
        url = cloud.start(stage=STAGE)
        said.append(f"AWS's APIs on {url}: no account, no Docker")
    with narrator.step("cdk bootstrap") as said:
        cloud.bootstrap(url, STAGE)
        said.append("the real command line, against the embedded cloud")
    with narrator.step("cdk deploy --all") as said:
        state = cloud.deploy(url, STAGE)
        said.append("the endpoint is off: deployed, and costing nothing")
        said.extend(f"stack {name}" for name in state.stack_names)
    with narrator.step("Light the endpoint: pilot on") as said:
        cloud.light(state, narrator.doing)
        said.append("the switch, a state machine, has updated the stack: in service, with SmolLM2-135M as the model")
    return url, state


def tell(narrator: Narrator, cloud: Cloud) -> None:
    url, state = deployed(narrator, cloud)
    with narrator.step("Ask the REST API: POST /generate") as said:
        answer = call(state.deployment, "POST", "/generate", {"text_inputs": PROMPT, "trim_at": ";"})
        said.extend([answer["generated_texts"][0], f"(asked: {PROMPT})"])
    with narrator.step("Ask as OpenAI's clients do: POST /v1/chat/completions") as said:
        chat = call(state.deployment, "POST", "/v1/chat/completions", CHAT)
        said.extend([chat["choices"][0]["message"]["content"], f"(asked: {CHAT['messages'][-1]['content']})"])
    with narrator.step("See what it costs: GET /endpoint") as said:
        told = call(state.deployment, "GET", "/endpoint")
        said.append(
            f"{told['state']}, {told['instance_count']} × {told['instance_type']}, "
            f"USD {told['usd_per_hour']} per hour, USD {told['cost_usd']} so far"
        )
        said.append(told["next_trigger"]["message"])
    with narrator.step("Forget it: 75 minutes pass on the embedded cloud's clock") as said:
        said.extend(forgotten(state))
    with narrator.step("Call it while it is off") as said:
        refused = requests.post(
            f"{state.api_url}/generate", json={"text_inputs": "hello"}, headers=key(state), timeout=API_TIMEOUT_SECONDS
        )
        said.append(f"{refused.status_code}, Retry-After {refused.headers.get('Retry-After')} s")
        said.append(refused.json()["error"]["message"])
    undrifted(narrator, cloud, url)
    with narrator.step("Destroy: cdk destroy --all") as said:
        cloud.cdk(url, STAGE, "destroy", "--all", "--force")
        said.append("every stack is gone")
    with narrator.step("Look for what is left") as said:
        if left := leftovers(state.deployment):
            raise RuntimeError(f"left behind: {', '.join(left)}")
        said.append("nothing: no stack, endpoint, model, API, function, key or log group")
        said.append("kept on purpose: the role for API Gateway's logs, free, which an account shares by all its APIs;")
        said.append("the bucket for datasets and tuned models, empty here (and gone with the embedded cloud)")


def undrifted(narrator: Narrator, cloud: Cloud, url: str) -> None:
    with narrator.step("See that nothing drifted: cdk diff --all --fail") as said:
        cloud.cdk(url, STAGE, "diff", "--all", "--fail")
        said.append("no differences: the stack was told everything that happened")


def forgotten(state: State) -> Iterator[str]:
    """Nobody calls: what the people who subscribed to the notices are told, and what the receipt says."""
    began = datetime.fromisoformat(clock(state, "GET")["now"])
    clock(state, "POST", advance_seconds=75 * 60)
    notices = requests.get(f"{state.aws_endpoint_url}/_pilot/notices", timeout=API_TIMEOUT_SECONDS).json()
    for notice in notices:
        sent = datetime.fromisoformat(notice["time"])
        if sent >= began:
            text = notice["message"]
            words = json.loads(text)["AlarmDescription"] if text.startswith("{") else notice["subject"]
            yield f"after {(sent - began).total_seconds() / 60:.0f} min: {words}"
    (receipt,) = state.deployment.receipts(1)
    if state.deployment.client("sagemaker").list_endpoints()["Endpoints"] or receipt["reason"] != "idle":
        raise RuntimeError(f"It should have been turned off for being idle; the last receipt: {receipt}")
    yield (
        f"the receipt: {receipt['hours_on']:.2f} hours, USD {receipt['usd']:.2f}; "
        f"left on for the rest of a month it would have been USD {receipt['usd_per_hour'] * HOURS_A_MONTH:,.0f}"
    )


def clock(state: State, method: str, **body: float) -> dict[str, str]:
    """The embedded cloud's simulated time."""
    answer = requests.request(method, f"{state.aws_endpoint_url}/_pilot/clock", json=body or None, timeout=300)
    answer.raise_for_status()
    found: dict[str, str] = answer.json()
    return found


def key(state: State) -> dict[str, str]:
    return {"x-api-key": state.api_key}


def leftovers(deployment: Deployment) -> list[str]:
    """What a destroyed stage left that it should not have. `CDKToolkit` is cdk's own, shared by an account's apps."""
    stacks = deployment.client("cloudformation").describe_stacks()["Stacks"]
    sagemaker = deployment.client("sagemaker")
    gateway = deployment.client("apigateway")
    found = {
        "stack": [stack["StackName"] for stack in stacks if stack["StackName"] != "CDKToolkit"],
        "endpoint": [item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]],
        "endpoint config": [
            item["EndpointConfigName"] for item in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ],
        "model": [item["ModelName"] for item in sagemaker.list_models()["Models"]],
        "API": [item["name"] for item in gateway.get_rest_apis()["items"]],
        "API key": [item["name"] for item in gateway.get_api_keys()["items"]],
        "function": [item["FunctionName"] for item in deployment.client("lambda").list_functions()["Functions"]],
        "log group": [item["logGroupName"] for item in deployment.client("logs").describe_log_groups()["logGroups"]],
    }
    return [f"{kind} {name}" for kind, names in found.items() for name in names]


def summary(rows: list[tuple[str, float, str]], seconds: float) -> Table:
    table = Table(title="What happened", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("result", overflow="fold")
    for title, took, result in rows:
        table.add_row(title, f"{took:.1f}", escape(result))
    table.add_section()
    table.add_row("all", f"{seconds:.1f}", "no process left; .venv, node_modules and .cache stay for the next time")
    return table


if __name__ == "__main__":
    main()
