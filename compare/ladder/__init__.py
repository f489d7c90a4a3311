"""The alignment ladder: an ordered series of checks that two frameworks compute the same thing.

Each check is a rung. The rungs begin at the environment and the pixels and end at trained and exported models, so the
first one that fails shows where the two diverge. A rung names the requests whose answers it reads, and the session asks
both frameworks for them.
"""
