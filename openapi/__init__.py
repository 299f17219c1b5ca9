"""The API's OpenAPI document, made of the code that it describes: `make openapi` writes it, a test compares."""
