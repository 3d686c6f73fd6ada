#!/usr/bin/env bash
# Runs the official conformance suite of both eras against the product's own HTTP stack and handler:
#
#     conformance.sh CLIENTS HARNESS
#
# CLIENTS is a folder with the npm packages of package.json and bearer.mjs, HARNESS the built example `conformance` of
# tidegate-mcp: the product with the suite's fixtures merged in, its guard included. The suite can be told of no
# bearer; bearer.mjs adds it to its requests.
#
# scenarios/ERA.txt lists by name what the era requires; one with a "#" is expected to fail, for the reason that
# stands there. Fails where a scenario is missing in the list, where one fails that should pass, and where one passes
# that should fail.
set -euo pipefail
clients=$1 harness=$2
scenarios=$(cd "$(dirname "$0")" && pwd)/scenarios
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

"$harness" "$work/data" >"$work/endpoint" &
until [ -s "$work/endpoint" ]; do kill -0 $!; sleep 0.1; done
read -r url TIDEGATE_BEARER <"$work/endpoint"
export TIDEGATE_BEARER
cd "$clients"
suite() {
    node_modules/.bin/node --import ./bearer.mjs node_modules/@modelcontextprotocol/conformance/dist/index.js "$@"
}

failed=0
for list in "$scenarios"/*.txt; do
    era=$(basename "$list" .txt)
    suite list --server --requirements "$era" | sed -n '/^Server scenarios/,/^$/s/^  - //p' >"$work/required"
    sed 's/ *#.*//' "$list" | diff "$work/required" - || { echo "FAIL $era: $list is not what the suite requires"; failed=1; }
    { echo "server: ["; sed -n 's/^\([^ ]*\) *#.*/  \1,/p' "$list"; echo "]"; } >"$work/expected.yml"
    if suite server --url "$url" --requirements "$era" --expected-failures "$work/expected.yml" >"$work/log" 2>&1; then
        echo "ok   $era: $(grep -c -v '#' "$list") scenarios pass, $(grep -c '#' "$list") cannot, for the reasons in $list"
    else
        cat "$work/log"
        echo "FAIL $era"
        failed=1
    fi
done
# Not required by an era yet, and held all the same.
suite server --url "$url" --scenario http-header-validation --spec-version 2026-07-28 >"$work/log" 2>&1 \
    && echo "ok   2026-07-28: http-header-validation" || { cat "$work/log"; failed=1; }
exit $failed
