"""The OpenAI-compatible routes, over whichever contract the model has."""

PREFIX = "/v1/"
