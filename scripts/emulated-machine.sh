# shellcheck shell=bash disable=SC2154 # the scripts that read this file set name, root, packages and limit
# The common part of scripts/hardware-kvm and scripts/vfio-rig: a machine that QEMU emulates, with KVM-AMD, and Debian's kernel.
# A script that reads this file sets `name`, `root`, `packages`, `tools` and `limit`. It defines `more_tools` if it needs more
# than programs.
# shellcheck disable=SC2034
image='' swiftlet='' work='' pid=''

fail() { # fail STATUS MESSAGE
    echo "$name: $2" >&2
    exit "$1"
}

show_help() {
    sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0"
}

# Prints the newest installed kernel that has KVM for AMD and that this user can read.
kernel() {
    local image
    while read -r image; do
        if [ -r "$image" ] && compgen -G "/lib/modules/${image#*vmlinuz-}/kernel/arch/x86/kvm/kvm-amd.ko*" >/dev/null; then
            echo "$image"
            return
        fi
    done < <(compgen -G '/boot/vmlinuz-*' | sort -rV)
    return 1
}

more_tools() { :; }

has_tools() {
    local tool
    for tool in "${tools[@]}"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || return 1
    done
    more_tools
}

install_packages() { # install_packages PACKAGE...
    command -v apt-get >/dev/null ||
        fail 69 "this needs QEMU for x86-64, a kernel with kvm-amd in /boot that is readable, and ${tools[*]}; they are installed by themselves on Debian only"
    [ "$(id -u)" = 0 ] ||
        fail 69 "packages are missing, or the kernel in /boot is not readable; as root: apt-get install --no-install-recommends $*"
    echo "$name: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null; } >&2 ||
        fail 69 "the packages could not be installed: is there a network, and is this Debian?"
}

# Prints the path of the `swiftlet` that has been built, or nothing.
built_swiftlet() { # built_swiftlet CONFIGURATION...
    local build
    for build in "$@"; do
        if [ -x "$root/.build/$build/swiftlet" ]; then
            echo "$root/.build/$build/swiftlet"
            return
        fi
    done
}

# Finds the kernel and the tools, or installs them.
prepare_machine() {
    [ "$(uname -sm)" = "Linux x86_64" ] || fail 69 "this needs x86-64 Linux, which this is not: $(uname -sm)"
    if ! { has_tools && image=$(kernel); }; then
        install_packages "${packages[@]}"
        image=$(kernel) || fail 69 "there is no readable kernel with kvm-amd in /boot and /lib/modules"
    fi
}

# shellcheck disable=SC2317 # a trap calls it
clean_up() {
    trap - EXIT
    # timeout passes the signal on to everything that it started, also to QEMU.
    if [ -n "$pid" ]; then
        kill "$pid" && wait "$pid"
    fi 2>/dev/null
    rm -rf "$work"
}

set_traps() {
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    work=$(mktemp -d)
}

check_limit() { # check_limit: the option's value
    [[ $limit =~ ^[1-9][0-9]*$ ]] || fail 64 "--timeout $limit: seconds, a whole number above 0"
}

# Waits for the machine in the background, $!, and then for the processes that pass on its output. Returns the machine's status.
await_machine() { # await_machine OUTPUT...
    local status=0
    pid=$! SECONDS=0
    wait "$pid" || status=$?
    pid=
    wait "$@" || true
    [ "$SECONDS" -lt "$limit" ] || fail 124 "ended after $limit seconds: --timeout gives it more"
    return "$status"
}
