"""Writes the call graph of manystacks: 1,000 methods in 40 packages that call each other.

Usage: generate.py FOLDER.  Every method calls two others of its own package and two of later
packages, or allocates when the path is at its end; the seed is fixed, so the program is too.
"""

import random
import sys
from pathlib import Path

MODULE = "example.com/manystacks"
PACKAGES = [
    *("gateway", "session", "routing", "throttle", "tenancy", "identity", "consent", "catalog"),
    *("pricing", "promotion", "basket", "checkout", "payment", "ledger", "invoicing", "taxation"),
    *("currency", "shipping", "parcels", "warehouse", "inventory", "suppliers", "orders"),
    *("returns", "refunds", "support", "messages", "templates", "delivery", "scheduler"),
    *("workflow", "reporting", "metrics", "search", "ranking", "profiles", "storage"),
    *("encoding", "compression", "archive"),
]
TYPES = ("Handler", "Service", "Repository", "Client", "Encoder")
METHODS = ("Load", "Apply", "Merge", "Resolve", "Publish")
_REACH = 3  # a package calls at most so many packages further down
_ENTRIES = 24


def generate(folder: Path) -> None:
    """Write one Go file for every package, and the package `entry`, into `folder`."""
    dice = random.Random(40)
    for number, package in enumerate(PACKAGES):
        later = PACKAGES[number + 1 : number + 1 + _REACH]
        source = _package(package, later, dice)
        (folder / package).mkdir()
        (folder / package / f"{package}.go").write_text(source)
    (folder / "entry").mkdir()
    (folder / "entry" / "entry.go").write_text(_entry(dice))


def _package(package: str, later: list[str], dice: random.Random) -> str:
    bodies, used = [], set()
    for kind in TYPES:
        bodies.append(
            f"// {kind} is the receiver of {len(METHODS)} of the calls.\n"
            f"type {kind} struct{{}}\n\n"
            f"// Default{kind} is what other packages call.\n"
            f"var Default{kind} = &{kind}{{}}\n"
        )
        for method in METHODS:
            callees = [_callee("", dice) for _ in range(2)]
            for _ in range(2):
                other = dice.choice(later) if later else ""
                used.add(other)
                callees.append(_callee(other, dice))
            bodies.append(_method(kind, method, callees))
    imports = [f'\t"{MODULE}/{name}"' for name in sorted({*used, "walk"} - {""})]
    return "\n".join([f"package {package}\n", "import (", *imports, ")\n", *bodies])


def _callee(package: str, dice: random.Random) -> str:
    prefix = f"{package}." if package else ""
    return f"{prefix}Default{dice.choice(TYPES)}.{dice.choice(METHODS)}(p)"


def _method(kind: str, method: str, callees: list[str]) -> str:
    cases = "".join(
        f"\tcase {number}:\n\t\treturn {callee}\n" for number, callee in enumerate(callees[1:])
    )
    return (
        f"// {method} passes p on, or ends it.\n//\n//go:noinline\n"
        f"func (receiver *{kind}) {method}(p *walk.Path) []byte {{\n"
        "\tif p.Done() {\n\t\treturn make([]byte, p.Size)\n\t}\n"
        f"\tswitch p.Next({len(callees)}) {{\n{cases}\t}}\n"
        f"\treturn {callees[0]}\n}}\n"
    )


def _entry(dice: random.Random) -> str:
    first = PACKAGES[:6]
    callees = [_callee(first[number % len(first)], dice) for number in range(_ENTRIES)]
    cases = "".join(
        f"\tcase {number}:\n\t\treturn {callee}\n" for number, callee in enumerate(callees[1:])
    )
    imports = [f'\t"{MODULE}/{name}"' for name in sorted({*first, "walk"})]
    return "\n".join(
        [
            "// Package entry is where every path begins.\npackage entry\n",
            "import (",
            *imports,
            ")\n",
            "// Enter follows p from its first call to the object at its end.\n//\n//go:noinline",
            "func Enter(p *walk.Path) []byte {",
            f"\tswitch p.Next({len(callees)}) {{\n{cases}\t}}",
            f"\treturn {callees[0]}\n}}\n",
        ]
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
