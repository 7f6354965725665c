# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts in pipelines/ begin with: they source it. A script's arguments are text of others. None of it is ever
# part of a pipeline's description or of arithmetic before number() has seen it; properties get it through launch.
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
# Also for what runs in another folder.
build=$(realpath -ms -- "${DIT_BUILD:-$root/build}")
export GST_PLUGIN_PATH="$build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

# say TEXT...: one line on standard error, with the script's name.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# shown TEXT [MOST]: the text's beginning for a terminal, quoted, without control characters.
shown() { printf '%q' "${1:0:${2-60}}"; }

# number NAME TEXT LEAST MOST: ends the script unless TEXT is a whole number in that range, of digits alone: what $(( ))
# gets may otherwise be a program, "08" is an error and 19 digits overflow.
number() {
  local LC_ALL=C
  if [[ $2 =~ ^(0|[1-9][0-9]{0,17})$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then return; fi
  say "$1: expected a whole number from $3 to $4, found $(shown "$2")"
  exit 2
}

# option NAME VALUE: adds --NAME=VALUE to the array `options`. A VALUE may begin like an option; an empty one needs a
# place of its own, or dit takes the next argument for it.
option() { if [ -n "$2" ]; then options+=("--$1=$2"); else options+=("--$1" ''); fi; }

# utf8 [-c]: passes text that is UTF-8 on; fails at what is not, or leaves it out. By UTF-16, as iconv takes numbers beyond
# Unicode's last, U+10FFFF, for UTF-8.
utf8() { iconv "$@" -f UTF-8 -t UTF-16LE | iconv -f UTF-16LE -t UTF-8; }

# launch: see launch.cpp.
launch() {
  if [ ! -x "$build/launch" ]; then
    say "$(shown "$build")/launch is not there; build it: cmake --build build --target gstdit launch"
    return 1
  fi
  "$build/launch" "$@"
}

# file_name NAME SUFFIX: sets REPLY to a file's name that no other NAME gets; fails, saying why, if there is none. Bytes
# that are no part of UTF-8 text in one line, '/', '%' and a first '.' are written %XX.
file_name() {
  local LC_ALL=C
  local name=$1 high='' length=${#1} k byte
  REPLY=
  if [ -z "$name" ]; then
    say "skipped an empty name"
    return 1
  fi
  if [ "$length" -gt 255 ]; then
    say "skipped $(shown "$name")...: $length bytes are too long for a file's name"
    return 1
  fi
  # C1 control characters are UTF-8, too: C2 80 to C2 9F.
  if ! printf '%s' "$name" | utf8 >/dev/null 2>&1 || [[ $name == *$'\xc2'[$'\x80'-$'\x9f']* ]]; then
    high=yes
  fi
  for ((k = 0; k < length; ++k)); do
    byte=${name:k:1}
    case $byte in
      '/' | '%' | [[:cntrl:]]) printf -v byte '%%%02X' "'$byte" ;;
      .) [ "$k" -gt 0 ] || byte=%2E ;;
      [$' '-~]) ;;
      *) [ -z "$high" ] || printf -v byte '%%%02X' "$(($(printf '%d' "'$byte") & 255))" ;;
    esac
    REPLY+=$byte
  done
  REPLY+=$2
  if [ "${#REPLY}" -gt 255 ]; then
    say "skipped $(shown "$name"): as a file's name it has ${#REPLY} bytes, expected at most 255"
    return 1
  fi
}

# An argument that a script's first lines have no name for is a mistake, such as a prompt of two words without quotes.
usage=$(sed -n 's/^#   pipelines/pipelines/p' "$0" | head -n 1)
read -ra names <<<"$usage"
if [ -n "$usage" ] && [ $# -ge ${#names[@]} ]; then
  say "expected $usage; found one more, $(shown "${!#}")"
  exit 2
fi
