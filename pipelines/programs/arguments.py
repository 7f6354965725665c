# SPDX-License-Identifier: MIT
"""Arguments of the Python programs in pipelines/: text of others, which ends the program where it cannot be used."""
import os
import re
import sys


def refuse(name, expected, found):
    # As ASCII, so that none of it acts on a terminal.
    print(f"{os.path.basename(sys.argv[0])}: {name}: expected {expected}, found {ascii(found[:60])}", file=sys.stderr)
    sys.exit(2)


def given(*names):
    """The program's arguments, of which those names are the most; one more is a mistake, such as a prompt without quotes."""
    arguments = sys.argv[1:]
    if len(arguments) > len(names):
        refuse(" ".join(names), "no more", arguments[len(names)])
    return arguments


def number(name, text, least, most):
    """Of digits alone: int() also takes ' 5', '+5', '1_0' and the digits of every script."""
    if re.fullmatch("0|[1-9][0-9]{0,17}", text, re.ASCII) and least <= int(text) <= most:
        return int(text)
    return refuse(name, f"a whole number from {least} to {most}", text)


def property_text(name, text):
    """An argument may be any bytes, a property's text is UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse(name, "UTF-8", text)
    return text
