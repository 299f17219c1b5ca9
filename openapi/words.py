"""What the document says in words, and what no table of the code holds."""

from openapi.schemas import Json

ABOUT = """\
A language model on Amazon SageMaker behind a REST API; it may be off, and then says how to wake it.

Every error has one shape, `Error`; its `type` is made for programs, its `message` for people. On the routes below
`/v1/` the proxy's own errors have OpenAI's shape, with our type as `code`. What API Gateway refuses by itself has
`Error` everywhere. An unknown path, or a method that a path does not take, is answered with 404 and `not_found`; on a
stage that takes IAM with 403 and `forbidden`.

A body that fits its schema can still be refused with 400: what several fields mean together, and what the stage's model
cannot honour, is said in the message. A body has at most 1 MiB.

Pages of the origins that the stage is configured for (`cors_origins`) may read every answer; a preflight needs no key.\
"""

SERVERS: list[Json] = [
    {"url": ".", "description": "The stage that this document came from."},
    {
        "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
        "description": "A stage on AWS: the Api stack's output ApiUrl.",
        "variables": {
            "api": {"default": "abcdefghij"},
            "region": {"default": "us-east-1"},
            "stage": {"default": "falcon"},
        },
    },
]

TAGS = {
    "text": "The model as it is.",
    "tasks": "In-context tasks: prompts made of a shape, examples and a question; `tasks.toml` holds them.",
    "openai": "What OpenAI's clients speak: base URL `…/v1`, the API key as their key.",
    "endpoint": "What costs money while it is on.",
    "document": "The API about itself.",
}

_EITHER = "A stage takes it in `x-api-key`, as a bearer token, or in both ways (`key_header` in pilotlight.toml)."

SECURITY_SCHEMES: dict[str, Json] = {
    "Key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": f"The key behind the Api stack's output ApiKeyId, or the admin key. {_EITHER}",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key as a bearer token."},
    "AdminKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The key behind the Api stack's output AdminKeyId, for routes that change something.",
    },
    "AdminBearer": {"type": "http", "scheme": "bearer", "description": "The admin key as a bearer token."},
    "Iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": 'On a stage with `auth = "iam"`, instead of a key: Signature Version 4 for execute-api.',
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
