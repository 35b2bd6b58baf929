#!/usr/bin/env python3
"""Stands in for an official benchmark program, at the boundary of a process.

The file beside it says what to do, and what to write; what it saw goes beside its results.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

arguments = sys.argv[1:]
Path("seen.json").write_text(json.dumps({"arguments": arguments, "variables": dict(os.environ)}))
act, results = json.loads(Path(sys.argv[0]).with_suffix(".json").read_text())
sys.stdout.write("the customer's secret prompt\n")
sys.stdout.flush()
if act == "fail":
    sys.exit(results)
if act == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child.pid").write_text(str(child.pid))
    time.sleep(600)
if act == "write":
    Path("results.json").write_text(json.dumps(results))
