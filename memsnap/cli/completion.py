"""`memsnap completion`: the script that teaches a shell memsnap's commands and options."""

import click

from memsnap.cli import options


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    eval "$(memsnap completion bash)"                                # ~/.bashrc
    eval "$(memsnap completion zsh)"                                 # ~/.zshrc
    memsnap completion fish > ~/.config/fish/completions/memsnap.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        ctx.fail(f"click knows no completion for {shell}")
    options.show(kind(ctx.find_root().command, {}, "memsnap", "_MEMSNAP_COMPLETE").source())
