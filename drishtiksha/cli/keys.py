"""`drishtiksha keys`: who may use the API."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from drishtiksha.cli.accounts import opened_accounts
from drishtiksha.cli.console import err, out

keys_app = typer.Typer(no_args_is_help=True, help="API keys: add, list, revoke.")


@keys_app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is: cases made with it belong to this name.")],
    reviewer: Annotated[bool, typer.Option("--reviewer", help="May see everybody's cases.")] = False,
) -> None:
    """Make a key and print it; it is shown this once and not kept."""
    with opened_accounts() as accounts:
        typer.echo(accounts.add_key(name, reviewer=reviewer))
    err.print("Keep it now: it cannot be shown again. Send it as `Authorization: Bearer KEY`.", highlight=False)


@keys_app.command("list")
def list_keys() -> None:
    """List the keys by their public part, revoked ones too."""
    with opened_accounts() as accounts:
        table = Table("id", "name", "role", "made (UTC)", "revoked (UTC)", box=None, pad_edge=False)
        for key in accounts.list_keys():
            role = "reviewer" if key.reviewer else "own cases"
            table.add_row(key.key_id, key.name, role, key.created_utc, key.revoked_utc or "")
    out.print(table)


@keys_app.command()
def revoke(name: Annotated[str, typer.Argument(help="The id of one key, or a name: all keys of it.")]) -> None:
    """Make a key worthless, at once and for good."""
    with opened_accounts() as accounts:
        count = accounts.revoke_key(name)
    out.print(f"{count} {'key' if count == 1 else 'keys'} revoked.", highlight=False)
