# Faults that must turn a suite red: a suite that stays green proves nothing. Sourced by the scripts beside it, with
# CARGO_TARGET_DIR set.
cd "$(dirname "$0")/../.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$tree"

# sabotage NAME FILE PERL-EXPRESSION EXPECT SUITE…: the expression must change the file in the tree, and the suite, which
# builds the tree, must fail saying EXPECT.
sabotage() {
    local name=$1 file=$2 expression=$3 expect=$4
    shift 4
    cp "$file" "$tree/$file"
    perl -0pi -e "$expression" "$tree/$file"
    if cmp -s "$file" "$tree/$file"; then echo "FAIL $name: the fault no longer applies to $file"; exit 1; fi
    if "$@" >"$tree/log" 2>&1 || ! grep -qE "$expect" "$tree/log"; then
        tail -n 20 "$tree/log"; echo "FAIL $name: nothing noticed"; exit 1
    fi
    echo "ok   $name is noticed: $(grep -m 1 -E "$expect" "$tree/log" | cut -c1-120)"
    cp "$file" "$tree/$file"
}
