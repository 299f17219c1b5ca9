"""For every test: the same examples in each run, so that a red one is about the change and can be seen again, and no
limit on their time, as the machine may be busy.

New examples are searched for with `pytest --hypothesis-profile=default`.
"""

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
