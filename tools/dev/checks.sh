# Sourced by ./dev: fuzzing, clang-format, clang-tidy.

fuzz_target() {
    local name=$1 seconds=$2 status=0
    local found=$build/fuzz/found/$name seeds=$root/tests/fuzz/corpus/$name
    mkdir -p "$found/corpus"
    local corpora=("$found/corpus")
    [[ -d $seeds ]] && corpora+=("$seeds")
    say "fuzzing $name for $seconds s"
    "$build/fuzz/tests/fuzz/fuzz-$name" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$found/" "${corpora[@]}" >"$found/log" 2>&1 || status=$?
    if ((status != 0)); then
        tail -n 60 "$found/log"
        say "$name failed; its input is in ${found#"$root"/}: mend it, then keep the input in tests/fuzz/corpus/$name"
        return 1
    fi
    grep -E 'number_of_executed_units|average_exec_per_sec' "$found/log"
}

# fuzz [TARGET] [SECONDS]
verb_fuzz() {
    local only='' seconds=60 name names bad=0 argument
    for argument in "$@"; do
        if [[ $argument =~ ^[0-9]+$ ]]; then seconds=$argument; else only=$argument; fi
    done
    locked prepare fuzz build.ninja
    names=$(ninja -C "$build/fuzz" --quiet -t targets all | sed -n 's|^tests/fuzz/fuzz-\([^:/]*\):.*|\1|p')
    [[ -n $only ]] && { grep -qx "$only" <<<"$names" || die "no target $only; there are:" $names; names=$only; }
    for name in $names; do
        locked prepare fuzz "tests/fuzz/fuzz-$name"
        fuzz_target "$name" "$seconds" || bad=1
    done
    return "$bad"
}

cpp_files() { git ls-files -- '*.cpp' '*.hpp' '*.h'; }

# fmt [--check]
verb_fmt() {
    locked packages "${fmt_packages[@]}"
    local how=(-i)
    [[ ${1:-} == --check ]] && how=(--dry-run -Werror)
    cpp_files | xargs -r clang-format-19 "${how[@]}"
}

# lint [all|FILE...]: without arguments, what differs from the main branch
verb_lint() {
    locked packages "${lint_packages[@]}"
    locked prepare clang build.ninja # for its list of commands, one for each file
    local files base
    case ${1:-} in
    all) files=$(git ls-files -- '*.cpp') ;;
    '')
        base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD~1 2>/dev/null || echo HEAD)
        files=$(git diff --name-only --diff-filter=d "$base" -- '*.cpp' '*.hpp')
        ;;
    *) files=$(printf '%s\n' "$@") ;;
    esac
    [[ -z $files ]] && return
    xargs -r -P "$(nproc)" -n 1 clang-tidy-19 -p "$build/clang" --quiet --extra-arg=-Wno-unknown-warning-option \
        <<<"$files" 2>&1 | { grep -vE '^[0-9]+ warnings? (and [0-9]+ errors? )?generated' || true; }
}
