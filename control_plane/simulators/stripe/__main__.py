"""`python -m control_plane.simulators.stripe --port 12111 [--file FOLDER/stripe.json]`: the double as a process of its own.

With `--fd` it listens on a socket it was given, with `--site` people reach its pages under another address.
"""

import argparse
import os
from pathlib import Path

import uvicorn

from control_plane.simulators.stripe.api import Double, create_app
from dentalpin_kit.processes import die_with_parent

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--fd", type=int, default=None)
    parser.add_argument("--site", default=None)
    parser.add_argument("--file", type=Path, default=None, help="keeps what exists over restarts")
    given = parser.parse_args()
    if "DENTALPIN_PARENT_PID" in os.environ:
        die_with_parent(int(os.environ["DENTALPIN_PARENT_PID"]))
    os.umask(0o077)
    double = Double(site=given.site or f"http://{given.host}:{given.port}", file=given.file)
    uvicorn.run(
        create_app(double),
        host=given.host,
        port=given.port,
        fd=given.fd,
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
    )
