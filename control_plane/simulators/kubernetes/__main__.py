"""`python -m control_plane.simulators.kubernetes --port 8090 --token-file FILE`: a simulated cluster as a process of its own.

With `--fd` it listens on a socket it was given. What exists there is gone when it ends, as a cluster that is made anew.
"""

import argparse
import os
from pathlib import Path

import uvicorn

from control_plane.simulators.kubernetes.api import Simulation, create_app
from dentalpin_kit.processes import die_with_parent

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--fd", type=int, default=None)
    parser.add_argument("--token-file", type=Path, required=True, help="the bearer token every request has to bring")
    parser.add_argument("--certificate", type=Path, default=None, help="speak TLS, as `kubectl` wants where it gives a token")
    parser.add_argument("--certificate-key", type=Path, default=None)
    given = parser.parse_args()
    if "DENTALPIN_PARENT_PID" in os.environ:
        die_with_parent(int(os.environ["DENTALPIN_PARENT_PID"]))
    simulation = Simulation(token=given.token_file.read_text(encoding="utf-8").strip())
    uvicorn.run(
        create_app(simulation),
        host=given.host,
        port=given.port,
        fd=given.fd,
        ssl_certfile=given.certificate,
        ssl_keyfile=given.certificate_key,
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
    )
