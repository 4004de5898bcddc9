#!/usr/bin/env bash
# Makes .venv with partsim, editable, and the extras named: bash .ci/setup.sh [EXTRA]
#
# What is there is used: PYTHON (or python3), mpicc and mpirun on PATH, PETSC_DIR with PETSC_ARCH.
# What is missing is installed with apt-get, as root or through sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

extra=${1:-}
mpirun=${MPIRUN:-mpirun}
venv=.venv/bin/python
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf 'set-up, %3d s: %s\n' "$SECONDS" "$*"; }

refuse() {
    printf 'partsim set-up: %s\n' "$*" >&2
    exit 1
}

# Runs a command that is worth reading only when it fails: then the end of what it said is shown.
quietly() {
    "$@" >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        return 1
    }
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
        if "$candidate" - 2>/dev/null <<'PY'
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 11) or not os.path.exists(header))
PY
        then
            echo "$candidate"
            return
        fi
    done
}

has_mpi() { mpicc --version && command -v "${mpirun%% *}"; } >/dev/null 2>&1

find_petsc() {
    if [ -n "${PETSC_DIR:-}" ]; then
        echo "$PETSC_DIR"
    elif compgen -G '/usr/lib/petscdir/petsc*/*-real' >/dev/null; then
        compgen -G '/usr/lib/petscdir/petsc*/*-real' | sort -V | tail -n 1
    else
        pkg-config --variable=prefix PETSc 2>/dev/null || true
    fi
}

petsc_header() {
    local file
    for file in "$PETSC_DIR/${PETSC_ARCH:-}/include/$1" "$PETSC_DIR/include/$1"; do
        if [ -f "$file" ]; then
            echo "$file"
            return
        fi
    done
    refuse "PETSC_DIR = $PETSC_DIR with PETSC_ARCH = ${PETSC_ARCH:-(none)} holds no include/$1;" \
        "set both as PETSc was installed"
}

petsc_version() {
    awk '$2 == "PETSC_VERSION_MAJOR" { major = $3 }
         $2 == "PETSC_VERSION_MINOR" { minor = $3 }
         $2 == "PETSC_VERSION_SUBMINOR" { patch = $3 }
         END { print major "." minor "." patch }' "$1"
}

# Fills `packages` (Debian's names) and `wanted` (for people) with what this machine lacks.
list_missing() {
    packages=() wanted=()
    if [ -z "$(find_python)" ]; then
        packages+=(python3 python3-venv python3-dev)
        wanted+=("Python >= 3.11 with venv and headers")
    fi
    if ! has_mpi; then
        packages+=(gcc libc6-dev libopenmpi-dev openmpi-bin)
        wanted+=("a C compiler and MPI (mpicc, $mpirun)")
    fi
    if [ -z "$(find_petsc)" ]; then
        packages+=(libpetsc-real-dev)
        wanted+=("PETSc (PETSC_DIR)")
    fi
}

can_install() {
    command -v apt-get && { [ "$(id -u)" = 0 ] || sudo -n true || { [ -t 0 ] && command -v sudo; }; }
} >/dev/null 2>&1

install_packages() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    [ "$(id -u)" = 0 ] || apt=(sudo "${apt[@]}")
    quietly "${apt[@]}" update &&
        quietly "${apt[@]}" install -y --no-install-recommends "${packages[@]}"
}

# llvm-mca of a release that knows today's processors; the report does without where it must.
offer_llvm() {
    if compgen -G '/usr/lib/llvm-1[6-9]/bin/llvm-mca' || compgen -G '/usr/lib/llvm-[2-9][0-9]/bin/llvm-mca'
    then
        return
    fi >/dev/null
    packages=(llvm-19)
    say "system package: llvm-19"
    can_install && install_packages || say "no llvm-mca, hence no cycles of the kernels in the report"
}

list_missing
if [ ${#packages[@]} -gt 0 ]; then
    lacking=$(printf '%s, ' "${wanted[@]}")
    needed="missing: ${lacking%, }; on Debian, as root: apt-get install ${packages[*]};"
    needed+=" on a cluster: load the modules and set PETSC_DIR"
    can_install || refuse "$needed"
    say "system packages: ${packages[*]}"
    install_packages || refuse "$needed"
    list_missing
    [ ${#packages[@]} = 0 ] || refuse "$needed"
fi

[ "$extra" != bench ] || offer_llvm

PETSC_DIR=$(find_petsc)
export PETSC_DIR
header=$(petsc_header petscversion.h)
petsc=$(petsc_version "$header")
header=$(petsc_header petscconf.h)
! grep -q 'define PETSC_USE_COMPLEX' "$header" ||
    refuse "PETSC_DIR = $PETSC_DIR is built for complex numbers; a real build is needed"

if ! $venv -m pip --version >/dev/null 2>&1; then
    say "virtual environment .venv"
    "$(find_python)" -m venv --clear .venv
fi
install() { quietly $venv -m pip install --quiet --disable-pip-version-check "$@"; }

# petsc4py's build knows neither setuptools 81 nor, up to release 3.19, Cython 3
cython='cython>=3'
case $petsc in 3.1[0-9].*) cython='cython<3' ;; esac
say "Python packages${extra:+ with extra $extra}"
install 'setuptools>=77,<81' wheel "$cython" &&
    install --no-build-isolation --editable ".${extra:+[$extra]}" ||
    refuse "pip could not install the packages that setup.cfg names, see above"

built_for() {
    $venv - 2>/dev/null <<'PY'
import petsc4py
from petsc4py import PETSc
print(petsc4py.__version__, *petsc4py.get_config().values())
PY
}
if [ "$(built_for)" != "$petsc $PETSC_DIR ${PETSC_ARCH:-}" ]; then
    say "petsc4py $petsc, compiled against $PETSC_DIR (a minute)"
    # -O1 -g0: it only passes calls on, and compiles in a third of the time;
    # not from pip's cache: a wheel kept there may be linked against another PETSc
    CFLAGS="-O1 -g0 -fwrapv -DNDEBUG" install --no-build-isolation --no-deps --no-cache-dir \
        --force-reinstall "petsc4py==$petsc" ||
        refuse "petsc4py $petsc did not build against PETSC_DIR = $PETSC_DIR, see above"
fi

# orix compiles and keeps kernels when it is first imported; where several processes do so at once,
# what they keep crashes every later one
say "kernels of orix"
quietly $venv -W ignore -c 'import partsim.crops.ipf, gensim.maps.grains' ||
    refuse "orix cannot be imported, see above"

say "two ranks"
$mpirun -n 2 $venv -c 'from mpi4py import MPI; from petsc4py import PETSc
raise SystemExit(not PETSc.COMM_WORLD.size == MPI.COMM_WORLD.size == 2)' ||
    refuse "PETSc, mpi4py and $mpirun do not use the same MPI; load one MPI for all three"
say "done"
