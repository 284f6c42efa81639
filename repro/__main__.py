"""python -m repro COMMAND: see ``commands``."""

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.exits import stopping
from repro.commands import COMMANDS, parser


def main(arguments: list[str] | None = None) -> None:
    """Run one command; a mistake of the user leaves with exit code 2 and one sentence on what to do."""
    options = parser().parse_args(arguments)
    with stopping(options.command):
        COMMANDS[options.command].run(options)


if __name__ == "__main__":
    main()
