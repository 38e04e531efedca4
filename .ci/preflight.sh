#!/bin/sh
# Looks at a machine before anything is installed on it: a Python that is new enough and can
# make virtual environments, and room on the disk. One line per check on stderr; the chosen
# Python on stdout. Exit 1 with a remedy at the first thing that is missing.
#
#   PYTHON    use this Python and no other
#   NEED_GB   free space asked for, in GB (the environment is 1.7, pip's cache and the
#             downloaded weights 0.6, the rest is room to unpack)
set -eu

need_gb=${NEED_GB:-3}

say() { printf '%s\n' "$*" >&2; }
fail() { say "make: $*"; exit 1; }

# Version as "3 11", or nothing: a version manager's stand-in may exist and still not run.
version() { "$1" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null || true; }
new_enough() { set -- $1; [ "$1" -gt 3 ] || { [ "$1" -eq 3 ] && [ "$2" -ge 11 ]; }; }

chosen='' without_venv='' too_old='' too_old_version=''
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    found=$(version "$candidate")
    [ -n "$found" ] || continue
    if ! new_enough "$found"; then
        [ -n "$too_old" ] || { too_old=$candidate; too_old_version=$(echo "$found" | tr ' ' .); }
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        [ -n "$without_venv" ] || without_venv=$candidate
    else
        chosen=$candidate
        break
    fi
done

if [ -z "$chosen" ]; then
    if [ -n "$without_venv" ]; then
        package=$(basename "$without_venv")-venv
        fail "$without_venv cannot make virtual environments (no venv or ensurepip module)." \
             "On Debian and Ubuntu: sudo apt install $package"
    elif [ "$too_old" = .venv/bin/python ]; then
        fail ".venv has Python $too_old_version; expected 3.11 or newer. Remove it: make distclean"
    elif [ -n "$too_old" ]; then
        fail "$too_old is Python $too_old_version; expected 3.11 or newer (3.10 runs models," \
             "CONTRIBUTING.md says how, but cannot train or make the demo)." \
             "Install one, or name it: make PYTHON=/path/to/python3.11"
    elif [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON does not run; expected a Python 3.11 or newer."
    fi
    fail "no Python found; expected 3.11 or newer." \
         "On Debian and Ubuntu: sudo apt install python3 python3-venv"
fi
say "python  $(version "$chosen" | tr ' ' .) ($(command -v "$chosen")), with venv: ok"

free_mb() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }
free=$(free_mb .)
[ "$free" -ge $((need_gb * 1000)) ] ||
    fail "$((free / 1000)) GB free in $(pwd); expected $need_gb GB. Free some space, or clone onto another disk."
say "disk    $((free / 1000)) GB free, $need_gb GB needed: ok"
[ "$free" -ge 12000 ] ||
    say "        (a torch built for CUDA needs several GB more; CONTRIBUTING.md says how to choose)"

# pip unpacks there, and a small tmpfs fills up with an error that names no folder.
temporary=${TMPDIR:-/tmp}
[ -d "$temporary" ] || fail "the folder for temporary files, $temporary, does not exist. Set TMPDIR."
[ "$(free_mb "$temporary")" -ge 1000 ] ||
    fail "$(free_mb "$temporary") MB free in $temporary; expected 1000 for pip. Try: TMPDIR=$HOME make ..."

command -v "$chosen"
