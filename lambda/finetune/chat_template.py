"""Whether the base model's tokenizer has a chat template, without which the project's container can read no dialogs."""

import json
from typing import Final

from botocore.exceptions import ClientError

from finetune.store import Bucket, S3Client, located

SETTINGS: Final = "tokenizer_config.json"
TEMPLATE: Final = "chat_template.jinja"
"""Where newer versions of Transformers keep it; for older ones it is one of the settings."""
FILES: Final = (SETTINGS, TEMPLATE)


def has_chat_template(client: S3Client, base_model: str) -> bool | None:
    """By the files of a Transformers folder at this S3 prefix; None where they may not be read, or there are none."""
    bucket, prefix = located(base_model)
    try:
        texts = {name: Bucket(client, bucket).text(prefix + name) for name in FILES}
        settings = json.loads(texts[SETTINGS] or "null")
    except (ClientError, ValueError):
        return None
    if texts[TEMPLATE] or (isinstance(settings, dict) and settings.get("chat_template")):
        return True
    return False if isinstance(settings, dict) else None
