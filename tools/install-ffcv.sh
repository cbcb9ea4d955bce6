#!/usr/bin/env bash
# Installs FFCV into the active Python environment, on Debian or Ubuntu, with the system libraries
# that it is built from: about 130 MB instead of the 770 MB of libopencv-dev. FFCV is on the package
# registry as source only; of OpenCV it uses one function of two modules, but asks for all of them by
# the names opencv4.pc and opencv2/opencv.hpp, which are written to a temporary folder here.
#
#   python3 -m venv .venv && . .venv/bin/activate && tools/install-ffcv.sh
#
# The system packages need root once; where they are installed already, nothing does.
set -euo pipefail

version=1.0.2
python=${PYTHON:-python}
stop() { echo "install-ffcv: $1" >&2; exit 1; }

command -v "$python" >/dev/null || stop "there is no '$python': activate a virtual environment, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)' ||
  stop "$(command -v "$python") is no virtual environment: activate one, or set PYTHON to its python"
has_ffcv() {
  NUMBA_THREADING_LAYER=omp "$python" -c "
import sys
from importlib.metadata import version
import ffcv
sys.exit(version('ffcv') != '$version')"
}
if has_ffcv 2>/dev/null; then
  echo "install-ffcv: ffcv $version is installed already"
  exit 0
fi
command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  stop "this is neither Debian nor Ubuntu: install g++, pkg-config, and the headers of Python, libturbojpeg and OpenCV (core, imgproc) by other means, then: pip install ffcv==$version"

missing() {
  for package in g++ pkg-config python3-dev libturbojpeg0-dev libopencv-core-dev libopencv-imgproc-dev libgl1 libglib2.0-0; do
    # Newer releases have libglib2.0-0t64 instead, some libturbojpeg-dev.
    for name in "$package" "${package}t64" "${package/jpeg0-dev/jpeg-dev}"; do
      dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' && continue 2
    done
    echo "$package"
  done
}
# A name that this release lacks is taken by its other spelling.
spelled() {
  for package in "$@"; do
    for name in "$package" "${package}t64" "${package/jpeg0-dev/jpeg-dev}"; do
      if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
        echo "$name"
        continue 2
      fi
    done
    echo "$package"
  done
}

mapfile -t lacking < <(missing)
if [ "${#lacking[@]}" != 0 ]; then
  [ "$(id -u)" = 0 ] ||
    stop "lacks ${lacking[*]}: run as root: apt-get install --no-install-recommends ${lacking[*]}; then this again"
  apt-get update -qq
  mapfile -t lacking < <(spelled "${lacking[@]}")
  echo "install-ffcv: installing ${lacking[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null
fi
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -e "$headers/Python.h" ] ||
  stop "$headers/Python.h is missing: install the -dev package of this Python, or use the system's python3"

shim=$(mktemp -d)
trap 'rm -rf "$shim"' EXIT
mkdir "$shim/opencv2"
cat >"$shim/opencv4.pc" <<'END'
Name: OpenCV
Description: the two modules that FFCV uses
Version: 4.6.0
Cflags: -I${pcfiledir} -I/usr/include/opencv4
Libs: -lopencv_imgproc -lopencv_core
END
printf '#include <opencv2/core.hpp>\n#include <opencv2/imgproc.hpp>\n' >"$shim/opencv2/opencv.hpp"
# FFCV imports Pillow, and does not say so.
PKG_CONFIG_PATH="$shim${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}" "$python" -m pip install -q "ffcv==$version" pillow
has_ffcv || stop "ffcv was built but cannot be imported: see above"
echo "install-ffcv: ffcv $version is installed"
