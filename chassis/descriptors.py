"""Raise the number of files that the system lets this process open.

Not for deciding what to do with them: each service knows what needs one.
"""

import resource


def raise_limit(needed: int) -> int:
    """Raise this process's soft limit as far as needed and allowed; return what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return needed
    if soft < needed:
        target = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
        except (ValueError, OSError):  # a sandbox may refuse even what the hard limit allows
            pass
    return soft
