"""Standard output whose reader has gone, as in `| head`."""

import io


class Unread(io.StringIO):
    """A pipe that nobody reads."""

    def flush(self) -> None:
        """Fail as the operating system lets it."""
        raise BrokenPipeError
