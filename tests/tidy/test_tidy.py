#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants each kind of fault in a small tree and sees that tidy.py reports it.

usage: test_tidy.py TIDY
"""
import os
import subprocess
import sys
import tempfile

LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
CLEAN = {
    "lib/meson.build": "# SPDX-License-Identifier: Apache-2.0\nsubdir('base')\n"
                       "subdir('store')\nsubdir('sys')\nsubdir('node')\n",
    "lib/libblixard.sym": "BLX_0.1 {\nglobal:\n\tblx_put;\nlocal:\n\t*;\n};\n",
    "include/blixard/store.h": LICENCE + "#include <stdint.h>\n#define BLX_API\n"
                               "/* blx_old(); */\nBLX_API int blx_put(const char *path,\n"
                               "\tint len);\n",
    "lib/store/path.c": LICENCE + '#include "base/mem.h"\n#include <string.h>\n'
                        '/* printf() */\nstatic const char *s = "exit(1)";\n',
    "lib/node/node.c": LICENCE + '#include "sys/env.h"\n#include <raft.h>\n',
    "lib/base/assert.c": LICENCE + "void f(void);\nvoid f(void)\n{\n\tabort();\n}\n",
}

LONG = "void f(void)\n{\n" + "\tf();\n" * 69 + "}\n"
FAULTS = {
    "includes from above": ("lib/store/path.c", LICENCE + '#include "node/node.h"\n'),
    "unknown layer": ("lib/store/path.c", LICENCE + '#include "else/where.h"\n'),
    "impure layer": ("lib/machine/a.c", LICENCE + '#include "base/mem.h"\n'),
    "pure includes the system": ("lib/store/path.c", LICENCE + "#include <unistd.h>\n"),
    "raft elsewhere": ("lib/sys/a.c", LICENCE + "#include <raft.h>\n"),
    "sqlite elsewhere": ("lib/node/node.c", LICENCE + "#include <sqlite3.h>\n"),
    "uv elsewhere": ("lib/node/node.c", LICENCE + "#include <uv.h>\n"),
    "libc's assert": ("lib/sys/a.c", LICENCE + "#include <assert.h>\n"),
    "printing": ("lib/sys/a.c", LICENCE + "void f(void)\n{\n\tprintf(\"x\");\n}\n"),
    "ending": ("lib/sys/a.c", LICENCE + "void f(void)\n{\n\texit(1);\n}\n"),
    "a clock": ("lib/store/path.c", LICENCE + "int f(void)\n{\n\treturn time(0);\n}\n"),
    "no licence": ("lib/sys/a.c", "int x;\n"),
    "a long line": ("lib/sys/a.c", LICENCE + "\t" * 12 + "int x;\n"),
    "a long function": ("lib/sys/a.c", LICENCE + LONG),
    "a long file": ("lib/sys/a.c", LICENCE + "\n" * 1000),
    "blanks": ("lib/sys/a.c", LICENCE + "int x; \n"),
    "not listed": ("include/blixard/b.h", LICENCE + "BLX_API void blx_new(void);\n"),
    "not declared": ("lib/libblixard.sym", "BLX_0.1 {\nglobal:\n\tblx_put;\n\tblx_gone;\n};\n"),
    "public includes private": ("include/blixard/b.h", LICENCE + '#include "lib/a.h"\n'),
}


def run(tidy, files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return subprocess.run([sys.executable, tidy, root], capture_output=True, text=True)


def main():
    tidy = sys.argv[1]
    failed = 0
    clean = run(tidy, CLEAN)
    if clean.returncode != 0:
        print("a clean tree is not clean:\n" + clean.stdout + clean.stderr)
        failed += 1
    for name, (path, text) in FAULTS.items():
        result = run(tidy, {**CLEAN, path: text})
        if result.returncode != 1 or os.path.basename(path) not in result.stdout and \
                "blx_" not in result.stdout:
            print(f"{name}: not reported: {result.stdout}{result.stderr}")
            failed += 1
    print(f"{len(FAULTS) + 1 - failed} of {len(FAULTS) + 1} as they should be")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
