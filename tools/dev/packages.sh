# Sourced by ./dev: Debian packages, installed or, where they would conflict or start a daemon, unpacked below build/.

build_packages=(g++ meson ninja-build pkg-config python3 libssl-dev libc-ares-dev libfmt-dev libtomlplusplus-dev
    rapidjson-dev libidn2-dev libicu-dev libgsasl-dev libsodium-dev libcrypt-dev libsqlite3-dev zlib1g-dev libpq-dev libmariadb-dev
    libldap-dev doctest-dev)
bench_packages=(liburing-dev valgrind xfsprogs)
test_packages=(openssl swaks libnet-ssleay-perl python3 python3-yaml groff-base zsh fish
    curl fetchmail getmail6 gsasl isync mpop msmtp neomutt offlineimap3)
fmt_packages=(git clang-format-19)
deb_packages=(dpkg-dev debootstrap)
lint_packages=(git clang-tidy-19)
clang_packages=(clang-19)
fuzz_packages=(clang-19 libclang-rt-19-dev llvm-19)
if grep -qs '^VERSION_ID="12"' /etc/os-release; then
    build_packages+=(libboost1.81-dev libboost-program-options1.81-dev)
else
    build_packages+=(libboost-dev libboost-program-options-dev libmsgpack-cxx-dev)
fi

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Once an hour is enough.
apt_update() {
    [[ -n $(find "$build/.apt-updated" -mmin -60 2>/dev/null) ]] && return
    say "updating the package lists"
    as_root apt-get -qq update || say "apt-get update failed; going on with the lists that are there"
    mkdir -p "$build" && touch "$build/.apt-updated"
}

# Installs those of the named packages that are missing.
packages() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: Meson will say what it misses
    local installed missing=() package
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
    for package in "$@"; do
        grep -qxF "$package installed" <<<"$installed" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    apt_update
    say "installing ${missing[*]}"
    local log status=0
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
        --no-install-recommends install "${missing[@]}" >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# unpack FOLDER PACKAGE...: the packages, and what they depend on that the machine lacks, below FOLDER. Nothing is
# installed and no daemon starts: for packages that conflict with others, and for servers that tests run themselves.
unpack() {
    local into=$1
    shift
    [[ -f $into/.unpacked && $(<"$into/.unpacked") == "$*" ]] && return
    command -v apt-get >/dev/null || return 0
    apt_update
    say "unpacking $* under ${into#"$root"/}"
    local wanted options=(-qq -o Acquire::Retries=3)
    ((EUID == 0)) && options+=(-o APT::Sandbox::User=root)
    wanted=$({
        printf '%s\n' "$@"
        apt-get -s --no-install-recommends install "$@" 2>/dev/null | awk '/^Inst /{print $2}'
    } | sort -u)
    rm -rf "$into"
    mkdir -p "$into/.debs"
    # shellcheck disable=SC2086
    (cd "$into/.debs" && apt-get "${options[@]}" download $wanted) || return 1
    local deb
    for deb in "$into"/.debs/*.deb; do dpkg-deb -x "$deb" "$into" || return 1; done
    rm -rf "$into/.debs"
    printf '%s\n' "$*" >"$into/.unpacked"
}

# For one test alone. Debian 12's msgpack-cxx wants Boost 1.74's headers, which conflict with 1.81's; it is only
# headers: unpacked.
msgpack() {
    [[ -e /usr/include/msgpack.hpp ]] && return
    # Without its dependencies: Boost is exactly what it must not bring.
    local into=$build/deps
    [[ -e $into/usr/include/msgpack.hpp ]] && return
    apt_update
    say "unpacking libmsgpack-cxx-dev under build/deps"
    local options=(-qq -o Acquire::Retries=3)
    ((EUID == 0)) && options+=(-o APT::Sandbox::User=root)
    mkdir -p "$into"
    (cd "$into" && apt-get "${options[@]}" download libmsgpack-cxx-dev && dpkg-deb -x libmsgpack-cxx-dev_*.deb .) \
        || return 1
    rm -f "$into"/*.deb
}

# Servers that tests talk to, each below build/peers/<name>.
peers() {
    unpack "$build/peers/postfix" postfix || return 1
    unpack "$build/peers/knot" knot || return 1
    unpack "$build/peers/dovecot" dovecot-core dovecot-lmtpd dovecot-pop3d dovecot-imapd || return 1
    unpack "$build/peers/slapd" slapd || return 1
    unpack "$build/peers/mariadb" mariadb-server-core mariadb-client-core || return 1
    unpack "$build/peers/postgresql" postgresql
}

# What every build needs, and two things it can do without. ccache only saves time: where it cannot be had that is said once.
tool_chain() {
    packages "${build_packages[@]}" || return 1
    msgpack || say "no libmsgpack-cxx-dev: the test that holds our codec against it is not built"
    command -v ccache >/dev/null && return
    [[ -e $build/.no-ccache ]] && return
    packages ccache && command -v ccache >/dev/null && return
    say "no ccache: builds will take longer"
    mkdir -p "$build" && touch "$build/.no-ccache"
}
