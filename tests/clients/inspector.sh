#!/usr/bin/env bash
# Checks the MCP endpoint with the official inspector's command line, in both eras, over HTTP and stdio:
#
#     inspector.sh CLIENTS URL BEARER COMMAND [ARGUMENT…]
#
# CLIENTS is a folder with the npm packages of package.json. One line per check; exit status 1 if any fails.
set -euo pipefail
clients=$1 url=$2 bearer=$3
shift 3
cd "$clients"
passed=0 failed=0
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# check NAME STATUS PATTERN OPTION…: the inspector must end with the status, and say the pattern.
check() {
    local name=$1 expect=$2 pattern=$3 status=0
    shift 3
    node_modules/.bin/node node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js --cli "$@" \
        >"$answer" 2>&1 </dev/null || status=$?
    if [[ $status = $expect ]] && grep -qE "$pattern" "$answer"; then
        echo "ok   $name"; passed=$((passed + 1))
    else
        echo "FAIL $name: status $status"; tail -n 20 "$answer"; failed=$((failed + 1))
    fi
}

for era in legacy modern; do
    for transport in http stdio; do
        if [ $transport = http ]; then
            to=("$url" --transport http --header "Authorization: Bearer $bearer")
        else
            to=("$@")
        fi
        to+=(--protocol-era "$era" --format json)
        where="inspector, $transport, $era"
        check "$where: tools/list, schemas every client can read" 0 '"get_depth"' "${to[@]}" --method tools/list --strict
        check "$where: get_status" 0 '"mode"' "${to[@]}" --method tools/call --tool-name get_status
        key=$(grep -oE '[A-Z-]+:[A-Z0-9_]+@' "$answer" | head -n 1)
        check "$where: get_depth" 0 '"bids"' "${to[@]}" --method tools/call --tool-name get_depth \
            --tool-arg "instrument=${key%@}" "levels=2"
        check "$where: a wrong call is told what is wrong" 5 'levels' "${to[@]}" --method tools/call --tool-name get_depth \
            --tool-arg "instrument=${key%@}" "levels=500"
    done
done
check "inspector, http: no bearer, no tools" '[1-9]' 'Unauthorized|401|auth' "$url" --transport http --method tools/list --format json
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
