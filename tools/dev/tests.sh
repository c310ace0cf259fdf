# Sourced by ./dev: running suites, adding up their figures, `./dev test`.

passed=0
failed=0
show_output= # set when one suite was asked for by name
suite_pid=
logs=$build/test-logs

# The figures in a suite's output: doctest's summary lines added up, or the last `tests: N passed, N failed`.
counts() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /^\[doctest\] test cases:/ { split($0, part, "|"); p += part[2] + 0; f += part[3] + 0; seen = 1 }
        /^tests: [0-9]+ passed, [0-9]+ failed$/ { lp = $2; lf = $4; line = 1 }
        END { if (seen || line) print p + lp, f + lf; else print "none" }'
}

# suite NAME SECONDS COMMAND...: runs it, adds its figures up, shows its output when it fails
suite() {
    local name=$1 limit=$2 status=0 figures p=0 f=0 start=$SECONDS
    shift 2
    local log=$logs/$name.log
    timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
    suite_pid=$!
    wait "$suite_pid" || status=$?
    suite_pid=
    figures=$(counts "$log")
    [[ $figures != none ]] && read -r p f <<<"$figures"
    local note=
    if ((status == 124 || status == 137)); then
        note=" (stopped after $limit s)"
    elif [[ $figures == none ]]; then
        note=" (status $status, no figures)"
    elif ((status != 0 && f == 0)); then
        note=" (status $status)"
    fi
    [[ -n $note ]] && f=$((f + 1))
    passed=$((passed + p))
    failed=$((failed + f))
    if ((f > 0)); then
        tail -n 400 "$log"
        printf 'FAIL  %-28s %4d passed, %d failed%s; all of it in %s\n' "$name" "$p" "$f" "$note" "${log#"$root"/}"
    else
        [[ -n $show_output ]] && cat "$log"
        printf 'ok    %-28s %4d passed  %4d s\n' "$name" "$p" "$((SECONDS - start))"
    fi
}

# A step that is no suite but without which the tests cannot run.
need() {
    local what=$1
    shift
    "$@" && return
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$what"
    return 1
}

finish_tests() {
    local status=$?
    [[ -n $suite_pid ]] && kill "$suite_pid" 2>/dev/null
    if ((status != 0 && failed == 0)); then failed=1; fi
    printf 'tests: %d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0)) || exit 1
    exit 0
}

test_floors() {
    suite floors 60 python3 tools/check_floors
    suite join-sources 60 python3 tools/join_sources --test
}

test_deploy() {
    local python=python3
    python3 -c 'import yaml' 2>/dev/null || python=/usr/bin/python3 # Debian's has python3-yaml; another may stand before it
    suite deploy 120 "$python" tools/check_deploy --build "$build"
}

# test_units BUILD PREFIX
test_units() {
    local exe
    for exe in "$1"/tests/unit/unit-*; do
        [[ -f $exe && -x $exe ]] || continue
        suite "$2${exe##*/}" 600 "$exe"
    done
}

test_scenarios() {
    [[ -x $1/tests/scenario/scenario ]] || return 0
    suite "$2scenario" 300 "$1/tests/scenario/scenario"
}

test_simulation() {
    [[ -x $1/tests/simulation/simulation ]] || return 0
    suite "$2simulation" 300 "$1/tests/simulation/simulation"
}

test_replays() {
    local exe corpus
    for exe in "$1"/tests/fuzz/replay-*; do
        [[ -f $exe && -x $exe ]] || continue
        corpus=tests/fuzz/corpus/${exe##*/replay-}
        [[ -d $corpus ]] || continue
        suite "$2${exe##*/}" 300 "$exe" "$corpus"
    done
}

# test_programs BUILD PREFIX: all that needs nothing but its own build
test_programs() {
    test_units "$1" "$2"
    test_scenarios "$1" "$2"
    test_simulation "$1" "$2"
    test_replays "$1" "$2"
}

# test_e2e BUILD PREFIX SECONDS [ARGUMENT...]
test_e2e() {
    [[ -f tests/e2e/run.py ]] || return 0
    local dir=$1 prefix=$2 limit=$3
    shift 3
    suite "${prefix}e2e" "$limit" python3 tests/e2e/run.py --build "$dir" "$@"
}

sanitized() {
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1:check_initialization_order=1}
    export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
}

test_asan() {
    need "build with sanitizers" locked prepare asan || return 0
    sanitized
    test_programs "$build/asan" asan-
    test_e2e "$build/asan" asan- 900 --short
}

test_clang() {
    need "build with clang" locked prepare clang || return 0
    test_programs "$build/clang" clang-
}

# The parts that have threads.
test_tsan() {
    local name targets=(tests/scenario/scenario)
    for name in net spool delivery mta; do targets+=("tests/unit/unit-$name"); done
    need "build with the thread sanitizer" locked prepare tsan "${targets[@]}" || return 0
    for name in "${targets[@]}"; do suite "tsan-${name##*/}" 900 "$build/tsan/$name"; done
}

verb_test() {
    local what=${1:-all}
    shift || true
    case $what in
    all | floors | deploy | unit | unit-* | scenario | simulation | replay | e2e | asan | tsan | clang) ;;
    *) die "test what? all floors deploy unit unit-<folder> scenario simulation replay e2e [NAME] asan tsan clang" ;;
    esac
    mkdir -p "$logs"
    trap finish_tests EXIT
    trap 'exit 130' INT TERM
    need "packages" locked packages "${build_packages[@]}" "${test_packages[@]}" || return 1
    case $what in unit-* | scenario | simulation | e2e) show_output=yes ;; esac
    case $what in
    floors) test_floors && return ;;
    asan) test_asan && return ;;
    tsan) test_tsan && return ;;
    clang) test_clang && return ;;
    all | e2e) need "test peers" locked peers || return 1 ;;
    esac
    local targets=()
    case $what in
    unit-*) targets=("tests/unit/$what") ;;
    scenario) targets=(tests/scenario/scenario) ;;
    simulation) targets=(tests/simulation/simulation) ;;
    deploy) targets=(server/posthornd) ;;
    esac
    need "build" locked prepare main "${targets[@]}" || return 1
    case $what in
    all)
        test_floors
        test_deploy
        test_units "$build" ''
        test_scenarios "$build" ''
        test_simulation "$build" ''
        test_e2e "$build" '' 900
        test_asan
        ;;
    unit) test_units "$build" '' ;;
    unit-*)
        suite "$what" 300 "$build/tests/unit/$what" "$@"
        ;;
    scenario) suite scenario 300 "$build/tests/scenario/scenario" "$@" ;;
    simulation) suite simulation 3600 "$build/tests/simulation/simulation" "$@" ;;
    replay) test_replays "$build" '' ;;
    deploy) test_deploy ;;
    e2e) test_e2e "$build" '' 900 "$@" ;;
    esac
}
