import os
import subprocess
import sys


def test_a_child_dies_with_its_parent():
    child = (
        "import os, signal; from dentalpin_kit import processes; processes.die_with_parent(int(os.environ['P']))\n"
        "print('ready', flush=True); signal.pause()"
    )
    parent = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], env={{'P': str(os.getpid())}}, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "os._exit(0)\n"
    )

    # The child holds the pipe: reading it to its end is waiting for the child's death.
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, timeout=60, check=True)

    assert int(done.stdout) > 0


def test_a_parent_that_is_gone_already_is_noticed():
    program = f"from dentalpin_kit import processes; processes.die_with_parent({os.getppid()})"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "is gone" in done.stderr


def test_the_actual_parent_is_accepted():
    program = f"from dentalpin_kit import processes; processes.die_with_parent({os.getpid()})"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
