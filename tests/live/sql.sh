#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two members: SQL over the live store, and what other programs make of what is exported.
. "$(dirname "$0")/lib.sh"

names=(a b)
found "${names[@]}"
for name in "${names[@]}"; do member "$name" --election-timeout-ms 400; done
for name in "${names[@]}"; do ready "$name"; done

on a kv put /:services/web '{"node": "n1", "mem": 100}' >/dev/null
on a kv put /:services/db '{"node": "n2", "mem": 300}' >/dev/null
on a kv put /:services/cache '{"node": "n1", "mem": 50}' >/dev/null
printf '\xff\x00' | on a kv put /blob >/dev/null
on a kv put '/odd%2Aname' 'two words' >/dev/null
by_node="SELECT json_extract(value,'\$.node') AS node, count(*) AS n FROM kv \
WHERE path GLOB '/:services/*' GROUP BY node ORDER BY node"

echo "-- SQL"
[ "$(on b sql --consistent "$by_node" -o json | jq -c '[.node, .n]' | paste -sd' ')" = '["n1",2] ["n2",1]' ] ||
	fail "by node: $(on b sql "$by_node")"
expect 0 "node  n" on b sql "$by_node"
expect 0 "/:services/db" on b sql "SELECT path FROM kv WHERE json_extract(value,'\$.mem') > ?1 + 0 \
AND path GLOB '/:services/*'" 200
[ "$(echo 'SELECT count(*) AS n FROM kv' | on a sql - -o json)" = '{"n":5}' ] || fail "from standard input"
expect 2 "no such column" on a sql "SELECT color FROM kv"
expect 2 "may not be modified" on a sql "DELETE FROM kv"
expect 2 "only statements that read" on a sql "PRAGMA user_version"
[ "$(on a sql "SELECT count(*) AS n FROM kv" -o json)" = '{"n":5}' ] || fail "something was changed"

echo "-- one without an end is stopped, and holds nobody up"
endless="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
began=$(date +%s%3N)
on a --timeout 1s sql "$endless" >"$dir/endless" 2>&1 &
endless_pid=$!
pids+=("$endless_pid")
sleep 0.2
for i in 1 2 3; do expect 0 "revision" on a --timeout 500ms kv put /while "$i"; done
status=0
wait "$endless_pid" || status=$?
[ "$status" -eq 6 ] || fail "it ended with $status: $(cat "$dir/endless")"
took=$(($(date +%s%3N) - began))
[ "$took" -lt 3000 ] || fail "it took $took ms"
expect 0 "6" on a sql "SELECT count(*) FROM kv"

echo "-- many at once: some have to try again, nobody waits for ever"
for i in $(seq 24); do
	"$BLIXARD" --socket "$dir/a.sock" --timeout 1s sql "$endless" >"$dir/many.$i" 2>&1 &
	many[$i]=$!
	pids+=("$!")
done
for i in $(seq 24); do wait "${many[$i]}" && fail "an endless one has ended well"; done
grep -q "statements are under way here" "$dir"/many.* || fail "none was refused"
expect 0 "6" on a sql "SELECT count(*) FROM kv"

echo "-- what is exported is read by others"
on a snapshot save "$dir/export.db" >/dev/null
[ "$(sqlite3 "$dir/export.db" "$by_node")" = $'n1|2\nn2|1' ] || fail "sqlite3 reads something else"
python3 - "$dir/export.db" <<'END' || fail "Python reads something else"
import json, sqlite3, sys
db = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
rows = dict(db.execute("SELECT path, value FROM kv"))
assert rows["/blob"] == b"\xff\x00", rows
assert rows["/odd%2Aname"] == "two words", rows
assert json.loads(rows["/:services/db"])["mem"] == 300, rows
assert db.execute("SELECT count(*) FROM meta WHERE key = 'cluster_id'").fetchone() == (1,)
END
[ "$(on a kv ls /:services --values -o json | jq -c '[.entries[] | .value | fromjson | .mem] | add')" = 450 ] ||
	fail "jq reads something else: $(on a kv ls /:services --values -o json)"
[ "$(sqlite3 -json "$dir/export.db" "SELECT path, value FROM kv WHERE path LIKE '/:services/%'" |
	jq '[.[].value | fromjson | .mem] | add')" = 450 ] || fail "jq behind sqlite3 reads something else"
echo "ok"
