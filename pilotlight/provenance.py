"""Where a model comes from and on what terms: contract, chat template, Region, image, artifact, licence. Pure rules."""

from collections.abc import Iterator

from pilotlight.catalog import chat_templates, registry_accounts
from pilotlight.choice import Choice
from pilotlight.config_errors import Problem
from pilotlight.config_file import did_you_mean


def problems(choice: Choice) -> Iterator[Problem]:
    """Everything about the model's origin that forbids this choice."""
    yield from _target(choice)
    yield from _contract(choice)
    yield from _chat_template(choice)
    yield from _region(choice)
    yield from _image_and_artifact(choice)
    yield from _image_region(choice)
    yield from _eula(choice)


def _target(choice: Choice) -> Iterator[Problem]:
    if choice.model.local_only and choice.target == "aws":
        yield Problem(
            key=choice.key("model"),
            value=choice.model.name,
            reason="this model exists on the embedded cloud only, and this is a deployment to AWS",
            allowed="a model that SageMaker can host",
            fix="choose another stage (cdk -c stage=NAME), or run this one with pilot local up",
        )


def _contract(choice: Choice) -> Iterator[Problem]:
    known = choice.model.contract
    if choice.contract is None:
        yield Problem(
            key=choice.key("contract"),
            reason="this key is missing, and nothing else says which requests the container understands",
            allowed='"alexatm", "tgi" or "openai"',
            fix='write contract = "tgi", for a container of Hugging Face\'s Text Generation Inference, '
            'or contract = "openai", for one of vLLM or LMI',
        )
    elif known is not None and choice.contract != known:
        yield Problem(
            key=choice.key("contract"),
            value=choice.contract,
            reason=f"{choice.model.name} speaks the contract {known}",
            allowed=f'"{known}"',
            fix='remove contract, or write model = "custom" for a container of your own',
        )


def _chat_template(choice: Choice) -> Iterator[Problem]:
    name = choice.table.chat_template
    if name is not None and name not in chat_templates():
        yield Problem(
            key=choice.key("chat_template"),
            value=name,
            reason=f"there is no such chat template{did_you_mean(name, chat_templates())}",
            allowed=", ".join(chat_templates()),
            fix="name one of these, or add yours to pilotlight/data/chat_templates.toml",
        )


def _region(choice: Choice) -> Iterator[Problem]:
    if choice.region is None:
        yield Problem(
            key=choice.key("region"),
            reason="neither this key nor the environment gives a Region, and image and bucket depend on it",
            allowed="the name of an AWS Region",
            fix='write region = "us-east-1", or set AWS_REGION',
        )
    elif choice.uses_aws_copies and choice.region not in (
        regions := choice.model.regions or tuple(registry_accounts())
    ):
        keys = "image_uri" if choice.model.hub else "both image_uri and model_data_url"
        yield Problem(
            key=choice.key("region"),
            value=choice.region,
            reason=f"what {choice.model.name} is served from is not known to be there"
            + did_you_mean(choice.region, regions),
            allowed=", ".join(regions),
            fix=f"choose one of these Regions, or set {keys} to copies of your own",
        )


def _image_and_artifact(choice: Choice) -> Iterator[Problem]:
    if choice.target == "local" or choice.model.local_only:
        return
    origin = choice.model.jumpstart_id
    source = f"JumpStart's for {origin}" if origin else "your container's"
    if choice.table.image_uri is None and choice.model.image is None:
        yield Problem(
            key=choice.key("image_uri"),
            reason=f"this key is missing, and the catalog has no image for {choice.model.name}",
            allowed="an image in Amazon ECR, in the Region of the stage",
            fix=f'write image_uri = "ACCOUNT.dkr.ecr.{choice.region}.amazonaws.com/REPOSITORY:TAG", {source}',
        )
    if choice.table.model_data_url is None and choice.model.artifact is None and not choice.model.hub:
        yield Problem(
            key=choice.key("model_data_url"),
            reason=f"this key is missing, and the catalog has no artifact for {choice.model.name}",
            allowed="an S3 prefix that ends with a slash and holds unpacked files",
            fix=f'write model_data_url = "s3://BUCKET/PREFIX/", {source} (unpack a .tar.gz first)',
        )


def _image_region(choice: Choice) -> Iterator[Problem]:
    if choice.target == "local" or choice.table.image_uri is None or choice.region is None:
        return
    image_region = choice.table.image_uri.split(".")[3]
    if image_region != choice.region:
        yield Problem(
            key=choice.key("image_uri"),
            value=choice.table.image_uri,
            reason=f"SageMaker pulls an image from its own Region only, and that is {choice.region}",
            allowed=f"an image in {choice.region}",
            fix=f'copy the image there, or write region = "{image_region}"',
        )


def _eula(choice: Choice) -> Iterator[Problem]:
    eula_url = choice.model.eula_url(choice.region or "us-east-1")
    if eula_url is not None and not choice.table.accept_eula:
        yield Problem(
            key=choice.key("accept_eula"),
            value=False,
            reason=f"{choice.model.name} may only be used under its publisher's licence agreement",
            allowed="true",
            fix=f"read {eula_url}; to agree, write accept_eula = true",
        )
