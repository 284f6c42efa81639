"""The exit code of a command, without a process of its own."""

from collections.abc import Callable


def exit_code(main: Callable[[list[str]], int | None], arguments: list[str]) -> int:
    """Return what a command ends with: what its ``main`` returns, 0 if nothing, or the code with which it leaves."""
    try:
        return main(arguments) or 0
    except SystemExit as end:
        return end.code


def run_experiment(arguments: list[str]) -> int:
    """Run ``python -m experiments`` with ``arguments`` and return its exit code."""
    from experiments.__main__ import main

    return exit_code(main, arguments)
