#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tree to its rules: layers, sizes, licences, exported names, and what the library
may not call. Prints each fault as FILE:LINE: what is wrong, and ends with 1 if there is one.

usage: tidy.py ROOT [SHARED_LIBRARY]
"""
import os
import re
import subprocess
import sys

PURE = {"store", "record", "machine", "watch", "plan"}
ONLY_IN = {"raft.h": "node", "raft/uv.h": None, "sqlite3.h": "snapshot", "uv.h": "sys",
           "systemd/sd-bus.h": "sys"}
PURE_LIBC = {"ctype.h", "errno.h", "inttypes.h", "limits.h", "pthread.h", "stdarg.h",
             "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h",
             "string.h"}
PUBLIC_LIBC = {"stddef.h", "stdint.h"}

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000

FORBIDDEN = re.compile(
    r"\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|exit|_exit|_Exit|abort|"
    r"quick_exit|assert)\s*\(")
OUTSIDE = re.compile(
    r"\b(time|clock|clock_gettime|gettimeofday|localtime|gmtime|rand|random|srand|srandom|"
    r"drand48|getrandom|getentropy|getenv|setlocale)\s*\(")
MAY_ABORT = {"lib/base/assert.c"}

C_DIRS = ("include", "lib", "cli", "examples", "tests", "bench")
SKIPPED_DIRS = {".git", "subprojects", "__pycache__"}

faults = []


def fault(path, line, text):
    faults.append(f"{path}:{line}: {text}")


def files_of(root):
    for where, dirs, names in os.walk(root):
        dirs[:] = sorted(d for d in dirs if d not in SKIPPED_DIRS and not d.startswith("build"))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(where, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def bare(text):
    """The code with comments and texts blanked out, on the same lines."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_licence(path, text):
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.split("\n")[:2]):
        fault(path, 1, "no SPDX-License-Identifier in the first two lines")


def check_sizes(path, text):
    lines = text.split("\n")
    if len(lines) > FILE_LINES_MAX:
        fault(path, FILE_LINES_MAX, f"{len(lines)} lines: look for the second noun")
    for i, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > COLUMNS_MAX:
            fault(path, i, f"{len(line.expandtabs(8))} columns, more than {COLUMNS_MAX}")
        if line != line.rstrip():
            fault(path, i, "blanks at the end of the line")


def check_functions(path, text):
    """A body begins and ends with a brace alone in the first column; tables do not."""
    begin = None
    for i, line in enumerate(text.split("\n"), 1):
        if line == "{":
            begin = i
        elif line == "}" and begin is not None:
            if i - begin + 1 > FUNCTION_LINES_MAX:
                fault(path, begin, f"a function of {i - begin + 1} lines, more than "
                                   f"{FUNCTION_LINES_MAX}")
            begin = None


def layers_of(root):
    return re.findall(r"^subdir\('(\w+)'\)", read(root, "lib/meson.build"), flags=re.M)


def check_own_include(path, line, layer, name, layers):
    other = name.split("/")[0]
    if other not in layers:
        fault(path, line, f'"{name}" is of no layer')
    elif layers.index(other) > layers.index(layer):
        fault(path, line, f'{layer}/ includes "{name}", which stands above it')
    elif layer in PURE and other not in PURE | {"base"}:
        fault(path, line, f'{layer}/ is pure and includes "{name}"')


def check_outer_include(path, line, layer, name):
    if name in ONLY_IN and layer != ONLY_IN[name]:
        fault(path, line, f"<{name}> is for {ONLY_IN[name]}/ only")
    elif name == "assert.h":
        fault(path, line, "<assert.h>: use base/assert.h")
    elif layer in PURE and name not in PURE_LIBC and name != "jansson.h" and \
            not name.startswith("blixard/"):
        fault(path, line, f"{layer}/ is pure and includes <{name}>")


def check_includes(path, text, layers):
    layer = path.split("/")[1]
    if layer not in layers:
        fault(path, 1, f"{layer}/ is not in lib/meson.build")
        return
    for match in re.finditer(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, flags=re.M):
        line = line_of(text, match.start())
        if match.group(1) == '"':
            check_own_include(path, line, layer, match.group(2), layers)
        else:
            check_outer_include(path, line, layer, match.group(2))


def check_public_includes(path, text):
    for match in re.finditer(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, flags=re.M):
        name = match.group(2)
        if match.group(1) == '"' or not (name.startswith("blixard/") or name in PUBLIC_LIBC):
            fault(path, line_of(text, match.start()), f"a public header includes {name}")


def check_calls(path, text):
    code = bare(text)
    layer = path.split("/")[1]
    if path not in MAY_ABORT:
        for match in FORBIDDEN.finditer(code):
            fault(path, line_of(code, match.start()),
                  f"{match.group(1)}(): the library does not print, and does not end the host")
    if layer in PURE:
        for match in OUTSIDE.finditer(code):
            fault(path, line_of(code, match.start()),
                  f"{match.group(1)}(): {layer}/ must come to the same bytes everywhere")


def declared(root):
    names = set()
    for path in files_of(os.path.join(root, "include")):
        if path.endswith(".h"):
            code = bare(read(root, os.path.join("include", path)))
            code = re.sub(r"^\s*#\s*define(?:[^\n]*\\\n)*[^\n]*", "", code, flags=re.M)
            names.update(re.findall(r"\bBLX_API\b[^;{}(]*?\b(blx_\w+)\s*\(", code))
    return names


def listed(root):
    return set(re.findall(r"^\s+(blx_\w+);", read(root, "lib/libblixard.sym"), flags=re.M))


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                         capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()
            if line.split()[-2] in "TDBRVWi"}


def compare(path, have, want, text):
    for name in sorted(want - have):
        fault(path, 1, f"{name} is not {text}")


def check_names(root, library):
    sym = "lib/libblixard.sym"
    compare(sym, listed(root), declared(root), "listed, but declared in include/blixard")
    compare(sym, declared(root), listed(root), "declared in include/blixard, but listed")
    if library is not None:
        compare(library, exported(library), listed(root), "exported, but listed in " + sym)
        compare(library, listed(root), exported(library), "listed in " + sym + ", but exported")


def check_file(root, path, layers):
    is_c = path.endswith((".c", ".h"))
    is_script = path.endswith((".py", ".sh")) or path.startswith(("scripts/", ".ci/"))
    if not (is_c and path.startswith(C_DIRS)) and not is_script and \
            os.path.basename(path) != "meson.build":
        return
    text = read(root, path)
    check_licence(path, text)
    if not is_c:
        return
    check_sizes(path, text)
    check_functions(path, text)
    if path.startswith("lib/"):
        check_includes(path, text, layers)
        check_calls(path, text)
    elif path.startswith("include/"):
        check_public_includes(path, text)


def main():
    root = sys.argv[1]
    library = sys.argv[2] if len(sys.argv) > 2 else None
    layers = layers_of(root)
    for path in files_of(root):
        check_file(root, path, layers)
    check_names(root, library)
    print("\n".join(faults) if faults else "tidy")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
