"""A person's word before the model serves: asked for by mail, with what speaks for it, a command, and a link to a page.

The page shows the same facts (lambda/proxy/approval_page.py), so they are kept with the run.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from common.facts import iso
from common.mail_link import MailLink, mail_link

from finetune.clients import Kit
from finetune.run import Run


def ask(run: Run, kit: Kit, token: str) -> Run:
    """`token` is the state machine's, kept for whoever decides."""
    settings = kit.settings
    until = kit.now + settings.training.approval_hours * 3600
    link = mail_link(
        "approve",
        run.id,
        until,
        cloudformation=kit.cloudformation,
        api_stack_name=settings.api_stack_name,
        ledger=kit.ledger,
        random_text=kit.random_text,
    )
    facts = _facts(run, settings.model, until)
    kit.sns.publish(
        TopicArn=settings.notices_topic_arn,
        Subject=f"Pilotlight {settings.stage}: a fine-tuned model waits for your approval"[:99],
        Message="\n\n".join([*facts, _command(run, settings.stage), *link.paragraphs]),
    )
    waiting = replace(run, token=token, approval={"until": until, "facts": facts})
    return waiting.saying("Approve", kit.now, _said(run, link))


def _facts(run: Run, model: str, until: float) -> list[str]:
    """What was trained, how good it is, what it cost, until when it waits: a sentence or two each."""
    ours = any(not job.attached for job in run.jobs)
    end = iso(datetime.fromtimestamp(until, UTC))
    return [
        f"Run {run.id}: {_trained(run, model)}.",
        *([evaluated] if (evaluated := run.last_said("Evaluate")) else []),
        f"It has cost about USD {run.usd:.2f} so far." if ours else "Nothing was paid for.",
        f"It waits until {end}. Without a word by then, as with a no, the endpoint serves what it served before.",
    ]


def _trained(run: Run, model: str) -> str:
    if job := run.asked.get("attach"):
        return f"the training job {job} has left a model, to serve in the place of {model}"
    bucket_and_key = str(run.asked["dataset"]).removeprefix("s3://")
    rows = run.dataset.get("rows", {}).get("train", 0)
    given: Mapping[str, object] = run.asked.get("hyperparameters", {})
    how = f", with {', '.join(f'{name} {value}' for name, value in given.items())}" if given else ""
    return f"{model} was fine-tuned on the {rows} rows of {bucket_and_key.partition('/')[2]}{how}"


def _command(run: Run, stage: str) -> str:
    return (
        f"`pilot approve {run.id} --stage {stage}` puts it behind the API; with `--reject` nothing changes, and the "
        "model stays in the bucket."
    )


def _said(run: Run, link: MailLink) -> str:
    why = f" The mail has no link: {link.problem}" if link.problem else ""
    return f"Waiting for `pilot approve {run.id}`.{why}"
