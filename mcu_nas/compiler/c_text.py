"""Pieces of C source: identifiers, strings, comments and numbers from names that nobody vouches for.

Model, tensor and class names come from files; nothing in them may end a comment or a string, collide with
a keyword, or hide a file that others include or link.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping

import numpy as np

COLUMNS = 110
C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
}

# C11 and C++ keywords that a sanitised file stem could be.
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const
    consteval constexpr constinit continue co_await co_return co_yield decltype default delete do double
    else enum explicit export extern false float for friend goto if inline int long main mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires restrict return short signed sizeof static static_assert struct switch template this throw
    true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
        """,
    )
)

# NAME.h in an include path would take the place of a header of the C library or of Arduino,
_HEADERS = frozenset(
    re.findall(
        r"\w+",
        """
    alloca arduino assert complex config ctype dirent endian errno error fcntl features fenv float ieeefp
    inttypes iso646 limits locale malloc math memory newlib poll pthread reent regex sched search semaphore
    setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings
    termios tgmath threads time uchar unistd wchar wctype xlocale
        """,
    )
)
# and a CMake target NAME that of a target which every project has, or of a library: -lNAME.
_TARGETS = frozenset(
    re.findall(
        r"\w+",
        """
    all all_build c clean depend dl edit_cache gcc help install list_install_components m nosys package
    package_source preinstall pthread rebuild_cache rt run_tests stdc test zero_check
        """,
    )
)
_LONGEST_NAME = 48  # with every suffix, C's 63 significant characters are enough
_LONGEST_COMMENT = 80


def c_identifier(stem: str) -> str:
    """A C and C++ identifier from a file's stem, at most 48 characters: what names a model's files, symbols
    and CMake target. Other characters become ``_``; names with a meaning of their own get ``m_`` in front.

    >>> c_identifier("kws-small.v2"), c_identifier("2nd"), c_identifier("int"), c_identifier("math")
    ('kws_small_v2', 'm_2nd', 'm_int', 'm_math')
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_") or "network"
    taken = name in _KEYWORDS or name.lower() in _HEADERS | _TARGETS or name.lower().startswith("mcu_")
    if taken or name[0].isdigit():
        name = f"m_{name}"
    name = name[:_LONGEST_NAME].rstrip("_")
    # NAME_weights.h belongs to the model NAME.
    return name[:-1] if name.lower().endswith("_weights") else name


def c_string(text: str) -> str:
    """A C string literal: printable ASCII as it is, all other bytes of the UTF-8 form in octal."""
    utf8 = text.encode(errors="replace")  # JSON can spell halves of surrogate pairs
    plain = {ord(" ") + i for i in range(95)} - set(b'"\\?')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in utf8) + '"'


def c_comment_text(text: str) -> str:
    """``text`` as it may stand inside a comment: a short line of printable ASCII without ``*`` and ``/``."""
    line = re.sub(r"[^ -~]|[*/\\]", "_", text[: _LONGEST_COMMENT + 1])
    return line if len(line) <= _LONGEST_COMMENT else f"{line[: _LONGEST_COMMENT - 3]}..."


def c_float(value: float) -> str:
    """A float literal that reads back as the same float32."""
    digits = f"{value:.9g}"
    return f"{digits}f" if any(mark in digits for mark in ".e") else f"{digits}.0f"


def c_array(declaration: str, values: np.ndarray) -> str:
    """``declaration`` (without the extent) with all values as an initialiser, lines kept short.

    A two-dimensional array initialises an array of structs, one row each.
    """
    rows = values.tolist()
    if values.ndim == 2:
        words = ", ".join(f"{{{', '.join(map(_literal, row))}}}" for row in rows)
    else:
        words = ", ".join(map(_literal, rows))
    body = textwrap.fill(words, COLUMNS, initial_indent="    ", subsequent_indent="    ")
    return f"{declaration}[{len(rows)}] = {{\n{body},\n}};\n"


def c_initialiser(fields: Mapping[str, int | str | Mapping[str, int]], indent: str = "    ") -> str:
    """Designated initialisers, one member a line; nested mappings become nested braces."""
    lines = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            inner = ", ".join(f".{key} = {_literal(number)}" for key, number in value.items())
            lines.append(f"{indent}.{name} = {{{inner}}},")
        else:
            lines.append(f"{indent}.{name} = {value if isinstance(value, str) else _literal(value)},")
    return "\n".join(lines)


def c_lines(lines: Iterable[str]) -> str:
    """Lines joined, with a newline at the end."""
    return "\n".join(lines) + "\n"


def _literal(value: int) -> str:
    # -2147483648 is the negation of a constant that does not fit an int.
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)
