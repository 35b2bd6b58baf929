"""How a line of the log is written: without the links that let their holders in.

Owns the form of lines. Django writes the address of whatever it refuses; the address of a report
or of a status page is a key to it, and is kept as a hash only. The rule others rely on: a public
page whose address is a secret has its place here.
"""

import logging
import re

_LINK = re.compile(r"(/exacto/(?:report|feedback)/)[^/\s]+")


class LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _LINK.sub(r"\1…", super().format(record))
