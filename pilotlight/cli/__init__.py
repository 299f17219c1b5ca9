"""`pilot`: the embedded cloud, and what a person does with a deployed stage.

main       the commands by name, and what becomes of errors
options    options that several commands have
terminal   how it speaks: tables, bars, JSON, questions
target     where a command aims, and how it calls the REST API
local      the embedded cloud
endpoint   ask, status, on, off, snooze
costs      cost
models     models list, models lock, models lock-training (lock_training)
prices     prices refresh (price_refresh)
orphans    sweep
stacks     deploy, destroy
"""

from pilotlight.cli.main import app, main

__all__ = ["app", "main"]
