"""`pilot finetune` and `pilot approve`: from a dataset to a better endpoint, followed step by step."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from typer.core import TyperGroup

from pilotlight import model_shape
from pilotlight.cli.options import AwsOption, JsonOption, RegionOption, StageOption, YesOption
from pilotlight.cli.run_shown import show, show_plan
from pilotlight.cli.target import configured, deployment
from pilotlight.cli.terminal import Refused, confirm, err, grid, out, print_json
from pilotlight.finetune import Dataset, FineTunes, Record, dataset, run_name
from pilotlight.loss_curve import LossCurve
from pilotlight.training_plan import ONLY_WITHOUT_ATTACH, planned


class StartByDefault(TyperGroup):
    """`pilot finetune DATA` starts a run: what is no command's name is a dataset."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["start", *args]
        return super().parse_args(ctx, args)


finetune_commands = typer.Typer(cls=StartByDefault, no_args_is_help=True, help="Fine-tune the model on your data.")

SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="A hyperparameter, NAME=VALUE; as often as there are.")
]


@finetune_commands.command()
def start(
    data: Annotated[Path | None, typer.Argument(help="A folder with the dataset, or its one file.")] = None,
    model: Annotated[str | None, typer.Option(help="The stage's model, to be sure which one is trained.")] = None,
    hyperparameters: SetOption = None,
    max_cost_usd: Annotated[float | None, typer.Option("--max-cost-usd", min=0, help="What the run may cost.")] = None,
    attach: Annotated[
        str | None,
        typer.Option(
            help="A training job that was started elsewhere: its model, evaluated with DATA if that is given."
        ),
    ] = None,
    approve: Annotated[
        bool | None, typer.Option("--approve/--no-approve", help="Wait for `pilot approve` before it serves.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run to its end.")] = False,
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on DATA, or take the model of --attach; evaluate with DATA, and put the better model behind the API. Says
    what it may cost, and asks.
    """
    target = deployment(stage, aws, region)
    chosen = configured(target)
    if model not in (None, chosen.model, *chosen.api.model_aliases):
        raise Refused(
            f"Stage {target.stage} serves {chosen.model}, not {model}: name the stage that serves it (--stage)."
        )
    if data is None and attach is None:
        raise Refused(
            "Give a dataset to train on, or --attach with the name of a training job, or both: then the dataset "
            "evaluates the job's model."
        )
    runs = FineTunes(target)
    bucket = runs.bucket()
    given = dataset(data) if data else None
    asked = _asked(given.settings if given else {}, hyperparameters, max_cost_usd, approve, attach)
    now = target.now()
    name = run_name(now)
    preview = {**asked, "dataset": f"s3://{bucket}/datasets/{given.name}/"} if given else asked
    plan = planned(given, preview, chosen, now)
    if not as_json:
        show_plan(plan)
    confirm(f"Fine-tune {chosen.model} on {target.place}? {plan.price}", yes)
    if given:
        asked["dataset"] = _uploaded(runs, given, now)
    runs.start(asked, name=name)
    if wait:
        follow(runs, name, as_json)
    elif as_json:
        print_json({"id": name, "stage": target.stage, "place": target.place})
    else:
        out.print(f"Run [bold]{name}[/] is under way: [bold]pilot finetune status {name}[/] tells.", highlight=False)


@finetune_commands.command()
def status(
    run: Annotated[str | None, typer.Argument(help="The run's id; the last one's if left out.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the loss curve here, as a PNG.")] = None,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every step of a run, its losses, what it cost, and links to AWS's console."""
    runs = FineTunes(deployment(stage, aws, region))
    record = runs.record(run) if run else _last(runs)
    if png:
        LossCurve(record["id"], record.get("losses", {})).png(png)
    _tell(runs, record, as_json)


@finetune_commands.command()
def shape(
    folder: Annotated[Path, typer.Argument(help="A model's Transformers folder, on this machine.")],
) -> None:
    """A model's size, as [stages.NAME.finetune] wants it of a model that nobody has described."""
    out.print(model_shape.toml(model_shape.read(folder)), highlight=False, markup=False, soft_wrap=True)


@finetune_commands.command(name="list")
def list_runs(
    count: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """The last runs."""
    records = FineTunes(deployment(stage, aws, region)).latest(count)
    if as_json:
        print_json([_public(record) for record in records])
        return
    rows = [(r["id"], r["status"], r["step"], f"{r['usd']:.2f}", r["message"]) for r in records]
    out.print(grid(("run", "status", "step", "USD", "what"), rows), highlight=False)


@finetune_commands.command()
def stop(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
) -> None:
    """End a run: its jobs are stopped, and the endpoint serves what it served before."""
    runs = FineTunes(deployment(stage, aws, region))
    record = runs.record(run)
    if record["status"] != "running":
        raise Refused(f"Run {run} has ended already: {record['status']}.")
    confirm(f"Stop run {run}, which is at {record['step']} and has cost about USD {record['usd']:.2f}?", yes)
    runs.stop(run)
    out.print(f"Run {run} is stopped; what it started is being stopped, too.", highlight=False)


def approve(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    reject: Annotated[
        bool, typer.Option("--reject", help="Say no: the endpoint serves what it served before.")
    ] = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
) -> None:
    """Say yes to a fine-tuned model that waits for it."""
    FineTunes(deployment(stage, aws, region)).decide(run, approve=not reject)
    out.print(f"Run {run}: {'rejected' if reject else 'approved'}.", highlight=False)


def follow(runs: FineTunes, run: str, as_json: bool) -> None:
    """To the end, a line for whatever is new. Raises Refused where it did not end well."""
    record: Record = {}
    for record in runs.follow(run):
        err.print(
            f"[dim]{datetime.now(UTC):%H:%M:%S}[/] [bold]{record['step']}[/] {escape(record['message'])}",
            highlight=False,
        )
    _tell(runs, record, as_json)
    if record["status"] != "done":
        raise Refused(f"Run {run} failed at {record['step']}: {record['message']}")


def _tell(runs: FineTunes, record: Record, as_json: bool) -> None:
    links = runs.links(record)
    if as_json:
        print_json({**_public(record), "links": links})
    else:
        show(record, links)


def _asked(
    settings: Mapping[str, Any],
    hyperparameters: list[str] | None,
    max_cost_usd: float | None,
    approve: bool | None,
    attach: str | None,
) -> dict[str, Any]:
    """What run.toml says, and over it what the command line says."""
    asked: dict[str, Any] = dict(settings)
    if attach:  # the folder's run.toml says how it trains, and this job has trained
        asked = {key: value for key, value in asked.items() if key not in ONLY_WITHOUT_ATTACH}
    pairs = [text.partition("=") for text in hyperparameters or []]
    if bad := next((text for text, (_, sign, _) in zip(hyperparameters or [], pairs, strict=True) if not sign), None):
        raise Refused(f"--set {bad!r} is no NAME=VALUE, such as --set epoch=3.")
    if pairs:
        said = {name.strip(): value.strip() for name, _, value in pairs}
        asked["hyperparameters"] = {**asked.get("hyperparameters", {}), **said}
    given = {"max_cost_usd": max_cost_usd, "approve": approve, "attach": attach}
    return asked | {name: value for name, value in given.items() if value is not None}


def _uploaded(runs: FineTunes, given: Dataset, now: datetime) -> str:
    columns = (TextColumn("uploading {task.fields[file]}"), BarColumn(bar_width=24), DownloadColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=given.size_bytes, file="")
        return runs.upload(given, now, lambda file, sent: bar.update(task, advance=sent, file=file))


def _last(runs: FineTunes) -> Record:
    found = runs.latest(1)
    if not found:
        raise Refused("There is no run yet: `pilot finetune DATA` starts one.")
    return found[0]


def _public(record: Record) -> Record:
    """Without the token, which is a person's word."""
    return {name: value for name, value in record.items() if name != "token"}
