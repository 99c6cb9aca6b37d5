#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the command does without a member: parsing, help, usage errors, configuration, input and
# output. Arguments: the command, the man page.
set -u

blixard=$1
manual=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/blx-cli-XXXXXX")
trap 'rm -rf "$dir"' EXIT
for variable in $(compgen -e BLIXARD_); do
	unset "$variable"
done
export BLIXARD_SOCKET=$dir/none.sock
failed=0

no() {
	echo "FAILED: $*"
	sed 's/^/  out: /' "$dir/out"
	sed 's/^/  err: /' "$dir/err"
	failed=$((failed + 1))
}

# run CODE ARG...: runs the command, and checks its exit code; one that hangs has failed.
run() {
	local want=$1 code=0
	shift
	what="blixard $*"
	timeout 60 "$blixard" "$@" >"$dir/out" 2>"$dir/err" <"${input:-/dev/null}" || code=$?
	[ "$code" -eq "$want" ] || no "$what: exit code $code, not $want"
}

out() { grep -qF -- "$1" "$dir/out" || no "$what: no \"$1\" on standard output"; }
err() { grep -qF -- "$1" "$dir/err" || no "$what: no \"$1\" on standard error"; }
no_out() { [ ! -s "$dir/out" ] || no "$what: something on standard output"; }
no_err() { [ ! -s "$dir/err" ] || no "$what: something on standard error"; }
# json FILE FILTER: the file is JSON for which the filter holds.
json() { jq -e "$2" "$dir/$1" >"$dir/jq" 2>&1 || no "$what: not $2 of $1"; }

# ---- help, at every level, from one table
run 0 --help && no_err && out 'kv txn [FILE|-]' && out 'Exit codes:'
run 2 && no_out && err 'usage: blixard NOUN VERB'
run 0 kv -h && out 'kv cas PATH NEW|-'
run 2 cluster && err 'cluster promote NAME'
run 0 kv put --help && out 'usage: blixard kv put PATH [VALUE|-]' && out '--if-absent'
run 0 kv put /x 1 -h && out 'usage: blixard kv put'
"$blixard" --help | grep -oE '^  [a-z]+ [a-z-]+' | grep -v '^  recover' | sort -u >"$dir/verbs"
[ "$(wc -l <"$dir/verbs")" -ge 20 ] || no "the help names too few verbs"
while read -r noun verb; do
	case "$noun" in version) continue ;; esac
	run 0 "$noun" "$verb" --help
	no_err
	out "usage: blixard $noun $verb"
	grep -qF "blixard $noun ${verb//-/\\-}" "$manual" || no "the manual does not know: $noun $verb"
	for option in $(grep -oE -- '--[a-z-]+' "$dir/out" | sort -u); do
		grep -qF -- "${option//-/\\-}" "$manual" || no "the manual does not know: $option"
	done
done <"$dir/verbs"
run 0 recover --help && out '--i-understand'

# ---- version
run 0 version && out 'blixard '
run 0 --version && out 'blixard '
run 0 version -o json && json out '.version | test("^[0-9]+\\.[0-9]+\\.[0-9]+$")'

# ---- usage errors: 2, on standard error, with the verb and where the help is
usage() { # MESSAGE ARG...
	local message=$1
	shift
	run 2 "$@"
	no_out
	err "$message"
	err 'try: blixard'
}
usage 'there is no "kvv"' kvv get /x
usage 'kv: there is no "gett"' kv gett /x
usage 'kv get: needs PATH' kv get
usage 'one argument too many: "/y"' kv get /x /y
usage 'unknown option --nope' kv get --nope /x
usage 'unknown option -x' kv get -x /x
usage 'behind --' kv put /x -5
usage '--limit needs N' kv ls / --limit
usage '--limit "0": must be a number' kv ls --limit 0
usage '--limit "4294967296": must be a number' kv ls --limit 4294967296
usage '--min-revision "-1"' kv get /x --min-revision=-1
usage '--values takes no value' kv ls --values=1
usage '--timeout "5x"' kv get /x --timeout 5x
usage '--timeout "0"' kv get /x --timeout 0
usage '--output "xml"' version -o xml
usage '--socket means nothing here' version --socket /x
usage '--timeout means nothing here' snapshot verify f --timeout 5s
usage '--if-absent' kv get --if-absent /x
usage 'exclude each other' kv get /x --local --consistent
usage 'needs one of --expect VALUE and --rev N' kv cas /x new
usage 'needs one of --expect VALUE and --rev N' kv cas /x new --expect old --rev 1
usage '--rev "x": must be a number' kv cas /x new --rev x
usage 'needs --name' cluster init --member n1=h:1
usage 'needs --member' cluster init --name n1
usage 'member "n1": must be NAME=HOST:PORT' cluster init --name n1 --member n1
usage 'member "=h:1"' cluster init --name n1 n1=h:1 =h:1
usage 'needs --address' cluster join --name n1
usage 'needs --via' cluster join --name n1 --address h:1
usage 'needs --from' recover --name n1 --member n1=h:1
usage 'cluster promote: needs NAME' cluster promote
run 2 -o json kv get --nope /x && no_out
json err '.error | .code == -1 and .name == "BLX_EINVAL" and .outcome == "none" and .revision == 0'
run 2 kv get --nope $'/\xff' -ojson
json err '.error.message == "unknown option --nope"'

# ---- nobody there: the message names the socket, and asks
run 1 kv get /x && no_out
err 'blixard: kv get /x: ' && err "$dir/none.sock" && err 'does the member run there?'
run 1 --socket "$dir/other.sock" kv put /x 1 && err "$dir/other.sock"
run 1 kv put /x --timeout=100ms -- -5 && err 'does the member run'
run 1 cluster status -o json && no_out
json err '.error | .code == -25 and .name == "BLX_ECONNECT" and (.message | contains("none.sock"))'
for verb in 'kv ls' 'kv rm /x' 'kv cas /x 1 --rev 0' 'cluster members' 'cluster leave' \
	'cluster transfer' 'cluster remove n' 'snapshot save f'; do
	# shellcheck disable=SC2086
	run 1 $verb
	err 'does the member run there?'
done
run 1 kv get $'/a\x1b[2J' && err '/a\x1b[2J:'

# ---- input: checked before anything is asked
head -c 1048577 /dev/zero >"$dir/big"
input=$dir/big run 1 kv put /x - && err 'standard input: more than 1048576 bytes'
head -c 1048576 /dev/zero >"$dir/big"
input=$dir/big run 1 kv put /x && err 'does the member run there?'
printf 'if-absent /x\nputt /x 1\n' >"$dir/txn"
input=$dir/txn run 2 kv txn && err 'standard input: line 2: unknown word "putt"'
run 2 kv txn "$dir/txn" && err "$dir/txn: line 2"
run 4 kv txn "$dir/absent" && err 'No such file'
run 1 kv txn "$dir" && err 'Is a directory'
printf 'put /x 1\n' >"$dir/txn"
run 1 kv txn "$dir/txn" && err 'does the member run there?'

# ---- output that cannot be written is a failure
code=0
"$blixard" version >/dev/full 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -q 'No space left' "$dir/err" || no "a full output: exit code $code"
code=0
"$blixard" version >&- 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] || no "a closed output: exit code $code"
mkfifo "$dir/fifo"
: <"$dir/fifo" & # opens it, and goes away
exec 9>"$dir/fifo"
wait $!
code=0
"$blixard" version >&9 2>"$dir/err" || code=$?
exec 9>&-
[ "$code" -eq 1 ] && grep -q 'Broken pipe' "$dir/err" || no "a broken pipe: exit code $code"

# ---- configuration of a member
run 2 node run --config "$dir/absent.conf" && err 'absent.conf: No such file'
printf 'data-dir = /d\ncolour = red\n' >"$dir/conf"
run 2 node run --config "$dir/conf" && err "$dir/conf:2: unknown key \"colour\""
run 2 node run --election-timeout-ms 5 && err '--election-timeout-ms: "5": must be a number from 20'
BLIXARD_LOG_LEVEL=loud run 2 node run && err 'BLIXARD_LOG_LEVEL: "loud"'
run 2 node run now && err 'one argument too many'
run 1 node run --data-dir "$dir/nothing" --socket none && no_out
err "open $dir/nothing" && err 'blixard cluster init'

# ---- files that are no snapshots
run 4 snapshot verify "$dir/absent" && no_out
printf 'not a snapshot' >"$dir/junk"
run 1 snapshot verify "$dir/junk" && no_out && err "$dir/junk"
run 1 snapshot inspect "$dir/junk" -o json && no_out && json err '.error.code < 0'

# ---- completion
run 0 completion bash && bash -n "$dir/out" || no "the completion script is no bash"
complete_words() { # WORD...: what completes the last one
	# shellcheck disable=SC1091
	(. "$dir/completion" && COMP_WORDS=("$@") && COMP_CWORD=$(($# - 1)) && _blixard &&
		echo "${COMPREPLY[*]}")
}
cp "$dir/out" "$dir/completion"
: >"$dir/err"
what=completion
complete_words blixard clu >"$dir/out"
out cluster
complete_words blixard cluster pro >"$dir/out"
out promote
complete_words blixard kv put --if >"$dir/out"
out --if-absent

[ "$failed" -eq 0 ] || exit 1
echo "all as it should be"
