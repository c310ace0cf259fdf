# Sourced by ./dev: the build folders, each configured and compiled by `prepare VARIANT`.

# Several people or tools may call ./dev in one checkout: installing, configuring and building take turns.
locked() {
    mkdir -p "$build"
    (
        flock 9
        "$@" 9>&-
    ) 9>"$build/.lock"
}

compiler() {
    local cxx=${CXX:-$1}
    if command -v ccache >/dev/null && [[ $cxx != *ccache* ]]; then cxx="ccache $cxx"; fi
    printf '%s' "$cxx"
}

# What Meson and ninja made in a build folder; not the other builds in it, nor what was downloaded.
remove_built() {
    find "$1" -mindepth 1 -maxdepth 1 ! -name deps ! -name peers ! -name asan ! -name clang ! -name fuzz ! -name release \
        ! -name tsan ! -name proof ! -name test-logs ! -name '.*' -exec rm -rf {} +
}

# configure FOLDER COMPILER [MESON OPTION...]
configure() {
    local dir=$1 cxx
    cxx=$(compiler "$2")
    shift 2
    [[ -e $build/deps/usr/include/msgpack.hpp ]] && set -- "$@" "-Dmsgpack_include=$build/deps/usr/include"
    local want="$cxx $*"
    [[ -f $dir/build.ninja && -f $dir/.configured && $(<"$dir/.configured") == "$want" ]] && return
    say "configuring ${dir#"$root"/}"
    [[ -d $dir/meson-private ]] && remove_built "$dir"
    if ! CXX=$cxx meson setup "$dir" "$root" "$@" >"$dir.configure.log" 2>&1; then
        cat "$dir.configure.log" >&2
        return 1
    fi
    mv "$dir.configure.log" "$dir/configure.log"
    printf '%s\n' "$want" >"$dir/.configured"
}

compile() {
    local dir=$1
    shift
    # Meson first, its talk kept back unless it fails.
    if ! ninja -C "$dir" --quiet build.ninja >"$dir/configure.log" 2>&1; then
        cat "$dir/configure.log" >&2
        return 1
    fi
    local steps how=(--quiet)
    steps=$(ninja -C "$dir" -n "$@" | grep -c '^\[' || true)
    ((steps == 0)) && return
    say "building ${dir#"$root"/}: $steps steps"
    [[ -t 1 ]] && how=() # with a line of progress
    ninja -C "$dir" "${how[@]}" "$@" || return 1
    ninja -C "$dir" --quiet -t cleandead >/dev/null
}

# How many sources the compiler reads as one (tools/join_sources): half the time for all of them, more for one that
# changed. Not with clang, so that each file stands for itself in one build.
join=${POSTHORN_JOIN:-8}

# prepare VARIANT [NINJA TARGET...]: packages, Meson, ninja
prepare() {
    local variant=$1
    shift
    tool_chain || return 1
    case $variant in
    main) configure "$build" g++ "-Djoin=$join" && compile "$build" "$@" ;;
    asan)
        # Compiling is what takes the time: optimised, or with a check of each pointer for null (which traps anyway) and
        # alignment, it takes twice as long. `./dev fuzz` has those checks.
        configure "$build/asan" g++ "-Djoin=$join" -Dbuildtype=plain -Doptimization=0 -Db_sanitize=address,undefined \
            "-Dcpp_args=-g1 -fno-omit-frame-pointer -fno-sanitize=null,alignment -fno-sanitize-recover=undefined" \
            && compile "$build/asan" "$@"
        ;;
    clang)
        packages "${clang_packages[@]}" \
            && configure "$build/clang" clang++-19 -Dbuildtype=plain -Doptimization=1 -Dcpp_args=-g1 \
            && compile "$build/clang" "$@"
        ;;
    tsan)
        configure "$build/tsan" g++ -Dbuildtype=plain -Doptimization=1 -Db_sanitize=thread \
            "-Dcpp_args=-g1 -fno-omit-frame-pointer" \
            && compile "$build/tsan" "$@"
        ;;
    bench)
        packages "${bench_packages[@]}" && configure "$build/release" g++ -Dtests=false -Dbenches=true \
            && compile "$build/release" "$@"
        ;;
    fuzz)
        packages "${fuzz_packages[@]}" \
            && configure "$build/fuzz" clang++-19 -Dfuzzers=true -Dwerror=false -Db_sanitize=address,undefined \
                -Dbuildtype=plain -Doptimization=1 "-Dcpp_args=-g -fno-omit-frame-pointer" \
            && compile "$build/fuzz" "$@"
        ;;
    esac
}
