"""The daily sweep: what carries the stage's tag but belongs to no stack, and whether anybody would hear of it.

It removes nothing. `pilot sweep` runs the same code with its caller's permissions, and removes what it is told to.
"""
