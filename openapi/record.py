"""Send the examples to the embedded cloud that is up, and keep what it answers for the document.

pilot local up && PYTHONPATH=.:lambda python -m openapi.record && make openapi
"""

import json
from dataclasses import asdict, replace

import requests

from openapi.examples import ASKED, RECORDED, Example
from pilotlight.deployment import Deployment
from pilotlight.local.cloud import Cloud

_TIMEOUT_SECONDS = 60


def main() -> None:
    deployment = Cloud().require().deployment
    made = [asdict(answered(deployment, example)) for example in ASKED]
    RECORDED.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(made)} examples were answered")


def answered(deployment: Deployment, example: Example) -> Example:
    """The example with its answer. Raises HTTPError where that is not 200."""
    response = requests.request(
        example.method,
        deployment.api_url + example.path,
        json=example.request,
        auth=deployment.admin_auth if example.changes_something else deployment.auth,
        timeout=_TIMEOUT_SECONDS,
    )
    response.raise_for_status()
    return replace(example, answer=response.json())


if __name__ == "__main__":
    main()
