"""In-context tasks: prompts made of a shape (data), shots and a question, and the answer cut out of what follows."""

PREFIX = "/tasks/"
ROUTE = "/tasks/{task}"
