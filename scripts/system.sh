#!/usr/bin/env bash
# system.sh --needed|--wanted PACKAGE ...: installs Debian packages where it may; else says exactly which are missing.
# --needed fails without them, --wanted goes on.
set -euo pipefail
mode=$1
shift

missing=()
for package in "$@"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo --non-interactive); fi
install() {
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get install --yes --no-install-recommends "${missing[@]}" ||
        { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install --yes --no-install-recommends "${missing[@]}"; }
}
echo "installing ${missing[*]}"
if install >/tmp/hadir-apt.$$ 2>&1; then
    rm -f /tmp/hadir-apt.$$
    # Debian starts a broker of its own; ours are started by whoever needs one, on a port of their own.
    exit 0
fi
tail -n 3 /tmp/hadir-apt.$$ >&2 || true
rm -f /tmp/hadir-apt.$$
echo "missing: ${missing[*]}. As root: apt-get install ${missing[*]}" >&2
[ "$mode" = --wanted ]
