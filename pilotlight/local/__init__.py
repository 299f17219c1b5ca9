ACCOUNT = "000000000000"
"""The embedded cloud's only one."""
