"""`pilot prices refresh`: the price list, from AWS itself."""

from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer

from pilotlight import price_list, prices
from pilotlight.cli.options import JsonOption, YesOption
from pilotlight.cli.terminal import confirm, grid, out, print_json, progress

price_commands = typer.Typer(help="The price list that costs are reckoned from.", no_args_is_help=True)
price_commands.callback()(lambda: None)  # else Typer takes a single command for the whole


@price_commands.command("refresh")
def refresh(
    region: Annotated[str, typer.Option("--region", help="Whose prices; the list holds one Region's.")] = "us-east-1",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the AWS Price List API (`pricing:GetProducts`), show what changed, and write pilotlight/data/prices.csv."""
    client = boto3.client("pricing", region_name=price_list.endpoint_for(region))
    update(client, prices.PRICE_LIST, region=region, yes=yes, as_json=as_json)


def update(client: Any, file: Path, *, region: str, yes: bool, as_json: bool) -> None:
    """`client` is boto3's `pricing`. Raises BadPriceListError, and has then written nothing."""
    with progress() as report:
        report("asking the AWS Price List API")
        items, on = ask_price_list(client, region)
    found, before = price_list.parse(items, region), prices.rows(file)
    changed = price_list.changes(before, found)
    if as_json:
        listed = [
            {"instance_type": c.instance_type, "before": _text(c.before), "after": _text(c.after)} for c in changed
        ]
        print_json({"region": region, "collected": on.isoformat(), "changes": listed})
    elif changed:
        rows = [(c.instance_type, _text(c.before), _text(c.after) or "not listed: kept") for c in changed]
        out.print(grid(("instance type", "before", "now"), rows), highlight=False)
    confirm(f"Write {len(found)} prices of {region}, with {len(changed)} differences, to {file.name}?", yes)
    replace_file(file, price_list.rendered(price_list.merged(before, found, region), region=region, on=on))
    if not as_json:
        out.print(f"{file.name} is of {on}. Deploy again, so that the meter counts with it.")


def ask_price_list(client: Any, region: str) -> tuple[list[object], date]:
    """Every item of the answer, and AWS's own date."""
    pages = list(
        client.get_paginator("get_products").paginate(
            ServiceCode="AmazonSageMaker", Filters=price_list.filters(region), FormatVersion="aws_v1"
        )
    )
    on = parsedate_to_datetime(pages[0]["ResponseMetadata"]["HTTPHeaders"]["date"]).date()
    return [item for page in pages for item in page["PriceList"]], on


def replace_file(path: Path, text: str) -> None:
    """In one step: what is interrupted leaves the old file."""
    written = path.with_suffix(".new")
    try:
        written.write_text(text, encoding="utf-8")
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def _text(usd: object) -> str | None:
    return None if usd is None else str(usd)
