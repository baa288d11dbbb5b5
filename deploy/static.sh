#!/usr/bin/env bash
# Builds `ilium` as one static file, and proves that it needs nothing else: it runs in a root directory that holds only
# it, read-only, as nobody, without a capability, and answers CQL.
#
#   deploy/static.sh                 build, then prove (the proof needs root, for its namespaces)
#   deploy/static.sh build           leaves target/static/ilium
#   deploy/static.sh prove BINARY
#
# glibc, linked in (libc6-dev has it), not musl: its copies and searches of memory use what the processor has, and since
# 2.34 its resolver reads /etc/hosts and asks DNS without a library at run time, which the proof shows, too.
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-unknown-linux-gnu
binary=target/static/ilium

build() {
    # --target keeps the flags from build scripts and procedural macros, which cannot be static.
    RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols" \
        cargo build --release --locked --target "$target" -p ilium --bin ilium
    install -D "${CARGO_TARGET_DIR:-target}/$target/release/ilium" "$binary"
    if readelf --program-headers "$binary" | grep -q INTERP; then
        echo "$binary asks for a loader: it is not static" >&2
        exit 1
    fi
    echo "$binary: $(stat --format=%s "$binary") bytes, static"
}

prove() {
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    chmod 755 "$root"
    install "$1" "$root/ilium"
    mkdir "$root/etc"
    echo "nameserver 127.0.0.1" > "$root/etc/resolv.conf"
    # Its own network, mounts and process ids: nothing of this machine is seen, and nothing outlives the proof.
    unshare --mount --net --pid --fork --mount-proc python3 deploy/static_proof.py "$root"
}

case "${1-all}" in
    build) build ;;
    prove) prove "$2" ;;
    all) build && prove "$binary" ;;
    *) echo "usage: deploy/static.sh [build | prove BINARY]" >&2; exit 64 ;;
esac
