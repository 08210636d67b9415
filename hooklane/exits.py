"""Exit codes of the command line, and the error that carries one."""

OK = 0
FAILURE = 1
USAGE = 2
NOT_FOUND = 3
INVALID = 4
NETWORK = 5
INTERRUPTED = 130


class CommandFailed(Exception):
    """End the command with this code and one clear line (more lines: evidence, as log tails)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
