"""The switch: one step of the state machine that turns the endpoint on and off, through its stack.

handler   the entry point
step      one step: whose turn it is, observe, decide, act, answer
decide    what to do next, purely; off and on hold the two tables that docs/switch.md draws
aws       the only module that speaks to AWS

A step remembers little (memory) and needs none of it: the first step of an execution looks at the world as a
killed one left it, and goes on from there.
"""
