"""How the tests start `memsnap` as a process of its own."""

import sys

_START = (
    # A run in the background starts with SIGINT ignored, and passes that on.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from memsnap.cli.main import main; main()"
)
MEMSNAP = (sys.executable, "-c", _START)
