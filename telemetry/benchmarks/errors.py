"""Why a result file is not imported; each says which file, where in it, and what to do.

    ResultError
      Unreadable   not a format we know, damaged, or too large to be read safely
      NoEvidence   read, but it says nothing about the endpoint: nothing answered, cut short, …

The rule others rely on: readers raise nothing else, whatever bytes they are given, and no message
quotes a prompt, an answer or a tool's arguments.
"""


class ResultError(Exception):
    """The import stops here; nothing of the file was stored."""

    def __init__(self, file: str, place: str, problem: str, cure: str) -> None:
        self.file, self.place = _shown(file), _shown(place)
        super().__init__(f"{self.file}: {self.place}: {problem}. {cure}")
        self.problem = problem
        self.cure = cure


def _shown(name: str) -> str:
    """Return a name out of a file, fit for one line of a terminal or a page."""
    return "".join(char if char.isprintable() else "?" for char in name[:200])


class Unreadable(ResultError):
    pass


class NoEvidence(ResultError):
    pass
