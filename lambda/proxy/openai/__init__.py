"""The OpenAI-compatible routes, over whichever contract the model has."""

PREFIX = "/v1/"
MODELS_PREFIX = "/v1/models/"
MODEL_ROUTE = "/v1/models/{model}"
