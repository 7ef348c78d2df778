"""`python -m control_plane.simulators.stripe --port 12111 [--file FOLDER/stripe.json]`: the double as a process of its own."""

import argparse
from pathlib import Path

import uvicorn

from control_plane.simulators.stripe.api import Double, create_app

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--file", type=Path, default=None, help="keeps what exists over restarts")
    given = parser.parse_args()
    double = Double(site=f"http://{given.host}:{given.port}", file=given.file)
    uvicorn.run(create_app(double), host=given.host, port=given.port, log_level="warning")
