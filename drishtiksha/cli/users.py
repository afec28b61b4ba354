"""`drishtiksha users`: who may log in to the page when the setting `login` is on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from drishtiksha.cli.accounts import opened_accounts
from drishtiksha.cli.console import out

users_app = typer.Typer(no_args_is_help=True, help="Users of the page: add, list, remove.")


@users_app.command()
def add(
    name: Annotated[str, typer.Argument(help="Cases that this user opens belong to this name.")],
    reviewer: Annotated[bool, typer.Option("--reviewer", help="May see everybody's cases.")] = False,
) -> None:
    """Add a user, or set a user's password and role anew. The password is asked for, or read from standard input."""
    with opened_accounts() as accounts:
        accounts.add_user(name, _password(), reviewer=reviewer)
    out.print(f"{name} may log in{' and is a reviewer' if reviewer else ''}.", highlight=False, markup=False)


@users_app.command("list")
def list_users() -> None:
    """List the users."""
    with opened_accounts() as accounts:
        table = Table("name", "role", "made (UTC)", box=None, pad_edge=False)
        for user in accounts.list_users():
            table.add_row(user.name, "reviewer" if user.reviewer else "own cases", user.created_utc)
    out.print(table)


@users_app.command()
def remove(name: Annotated[str, typer.Argument(help="As `drishtiksha users list` shows it.")]) -> None:
    """Remove a user; cases stay until their time is over."""
    with opened_accounts() as accounts:
        accounts.remove_user(name)
    out.print(f"{name} may no longer log in.", highlight=False, markup=False)


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
