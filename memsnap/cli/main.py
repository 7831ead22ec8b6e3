"""`memsnap`: the command group, and the one place where errors become a line and an exit code.

Commands load on first use, so that `memsnap --help` costs no more than click.
"""

import gc
import importlib
import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from memsnap.cli import options
from memsnap.errors import MemsnapError
from memsnap.version import __version__

_COMMANDS = {
    "capture": ("memsnap.cli.capture", "Take a heap snapshot of a live Go process."),
    "diff": ("memsnap.cli.diff", "Say what survives and what grows between captures."),
    "findings": ("memsnap.cli.findings", "Say what leaks, why, and what to change."),
    "watch": ("memsnap.cli.watch", "Watch a live process until its leak has a name."),
    "verify": ("memsnap.cli.verify", "Compare MemStats before and after, behind a GC."),
    "gate": ("memsnap.cli.gate", "Fail a CI job whose load makes the heap grow."),
    "show": ("memsnap.cli.show", "Describe one capture: memory, counters, largest sites."),
    "top": ("memsnap.cli.show", "List what is live in one capture, the largest first."),
    "attribute": ("memsnap.cli.attribute", "Add Go types to a capture, from its executable."),
    "export": ("memsnap.cli.export", "Convert a capture: pprof, folded, csv, json, parquet."),
    "inspect": ("memsnap.cli.inspect", "Say what memsnap reads of a Go executable."),
    "list": ("memsnap.cli.list_command", "List targets, captures and failures of a store."),
    "series": ("memsnap.cli.series", "Follow a site, a type or a counter over time."),
    "pull": ("memsnap.cli.pull", "Write a capture of a store to a file."),
    "import": ("memsnap.cli.import_command", "Put captures from files into a store."),
    "serve": ("memsnap.cli.serve", "Collect captures of many services, for months."),
    "db": ("memsnap.cli.db", "Look after the store: schema, size, retention."),
    "token": ("memsnap.cli.token", "Make tokens for the server of memsnap serve."),
    "config": ("memsnap.cli.config_command", "Check or show a configuration file."),
    "demo": ("memsnap.cli.demo", "Build a leaking Go service, capture it twice, diff."),
    "completion": ("memsnap.cli.completion", "Print the shell completion script."),
}


# Words that may follow a command instead of files: they have commands of their own. A file of that
# name is written ./list.
_WORDS = {
    "findings": {word: "memsnap.cli.settle" for word in ("list", "mute", "unmute", "resolve")},
}


def command_names() -> tuple[str, ...]:
    """Return the names of all commands, which are tables of the configuration too."""
    return tuple(_COMMANDS)


class _Terminated(BaseException):
    """SIGTERM, as an exception: what a command started ends, and its temporary files go."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        return _imported(_COMMANDS[cmd_name][0], cmd_name) if cmd_name in _COMMANDS else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that leaves early (`head`) is no failure of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            options.leave_standard_output()
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short helps without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a mistyped one."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        words = _WORDS.get(args[0], {}) if args else {}
        if len(args) > 1 and args[1] in words:
            return f"{args[0]} {args[1]}", _imported(words[args[1]], args[1]), args[2:]
        return super().resolve_command(ctx, args)


def _imported(module: str, name: str) -> click.Command | None:
    """Return the command of this name; it may be called as no function can be: import, list."""
    found = importlib.import_module(module)
    commands = (getattr(found, each, None) for each in (name, f"{name}_command"))
    return next((each for each in commands if isinstance(each, click.Command)), None)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="memsnap %(version)s")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="MEMSNAP_CONFIG",
    help="TOML file with defaults for the options of the commands.",
)
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Which Go objects survive garbage collection, where they come from, and how sure that is.

    \b
    memsnap capture -p PID -o a.snap
    memsnap capture -p PID -o b.snap
    memsnap diff a.snap b.snap
    """
    if options.forces_colour():
        ctx.color = True  # or click takes the colours out of what is piped
    if config is not None:
        ctx.default_map = _defaults(config)


def _defaults(path: Path) -> dict[str, Any]:
    """Return the defaults of `path` by command, checked against the options that exist."""
    from memsnap.cli.config import load_defaults

    return load_defaults(path, lambda name: cli.get_command(click.Context(cli), name))


def main() -> None:
    """Run the command line and leave with its exit code."""
    # OpenBLAS starts a thread per core on import of numpy, for arithmetic that is not done here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without arrows shows question marks instead of a traceback.
            stream.reconfigure(errors="replace")
    # Nothing here makes garbage in cycles that is worth the search; frozen at the end, what is
    # live is not searched once more before the process ends (20 ms).
    gc.disable()
    code = run()
    gc.freeze()
    sys.exit(code)


def run() -> int:
    """Run what the arguments say, and return the exit code.

    0 fine, 1 failed, 2 usage, 3 findings over a threshold, 128 + N for signal N.
    """
    try:
        code = cli.main(prog_name="memsnap", standalone_mode=False)
    except MemsnapError as error:
        options.say(f"memsnap: {error.message}")
        if error.hint:
            options.say(f"  try: {error.hint}")
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        options.say("memsnap: interrupted; what was written before is complete")
        return 128 + signal.SIGINT
    except _Terminated:
        options.say("memsnap: terminated; what was written before is complete")
        return 128 + signal.SIGTERM
    except OSError as error:
        # Of the machine, and with no better words at hand: a full disk under standard output.
        options.leave_standard_output()
        where = f" ({error.filename})" if error.filename else ""
        options.say(f"memsnap: {(error.strerror or str(error)).lower()}{where}")
        return MemsnapError.exit_code
    return code if isinstance(code, int) else 0


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not again while things are put in order
    raise _Terminated
