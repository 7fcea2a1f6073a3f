"""Bounds the memory of a process."""

from __future__ import annotations

import resource
import sys

STACK_BYTES = 2 * 2**20  # of each thread
_MAIN_STACK_BYTES = 8 * 2**20


def bound_memory(most: int, *, for_ever: bool = False) -> None:
    """Let this process have so many bytes of its own: what it may write to and does not share, with stacks
    and what libraries reserve. What is beyond raises MemoryError, or ends the process. `for_ever`: it cannot
    take more again, nor can its children.

    Only on Linux, where RLIMIT_DATA counts mappings (getrlimit(2), since 4.7)."""
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most if for_ever else hard))


def small_stacks() -> None:
    """Have the program that this process becomes reserve 2 MiB for the stack of a thread, not 8."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (_within(STACK_BYTES, hard), hard))


def whole_main_stack() -> None:
    """Let the main thread's stack grow to 8 MiB again, after `small_stacks`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft == STACK_BYTES:
        resource.setrlimit(resource.RLIMIT_STACK, (_within(_MAIN_STACK_BYTES, hard), hard))


def _within(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
