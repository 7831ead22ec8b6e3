"""`memsnap token`: tokens for the server of `memsnap serve`."""

import click

from memsnap.cli import options


@click.group(short_help="Make tokens for the server of memsnap serve.")
def token() -> None:
    """Make tokens for the server of `memsnap serve`."""


@token.command()
@click.argument("name", default="token")
@click.option(
    "--scope",
    type=click.Choice(["read", "write"]),
    default="read",
    show_default=True,
    help="write: also mute findings and capture now.",
)
def create(name: str, scope: str) -> int:
    """Print a new token, this once, and the table that makes the server know it.

    NAME shows in the log: who, or what, uses the token.

    \b
    memsnap token create grafana
    memsnap token create anna --scope write
    """
    from memsnap.config.forms import name as read_name
    from memsnap.errors import UsageError
    from memsnap.web.access.tokens import hash_of, new_token

    try:
        known_as = read_name(name)
    except UsageError as error:
        raise UsageError(f"the name {error.message}", hint="such as grafana, or anna") from error
    made = new_token()
    options.say("The token, shown only now and kept nowhere; clients send it as")
    options.say("Authorization: Bearer TOKEN, memsnap itself takes it from MEMSNAP_TOKEN.")
    options.say("The table goes into the configuration of `memsnap serve`; SIGHUP makes it known.")
    table = f'[[token]]\nname = "{known_as}"\nhash = "{hash_of(made)}"\nscope = "{scope}"'
    options.show(f"{made}\n\n{table}")
    return 0
