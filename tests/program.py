"""How the tests start `memsnap` as a process of its own."""

import sys

_START = (
    # A run in the background starts with SIGINT ignored, and passes that on.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from memsnap.cli.main import main; main()"
)
# Without -P a run in the source tree would take the package from there, not what is installed.
MEMSNAP = (sys.executable, "-P", "-c", _START)
