# shellcheck shell=bash
# What the scripts below tests/ share that run the program as it is deployed, or show it in a browser: checks, waiting, and
# a stand-in for Feishu, also one that is reached as the real one is, by name and over TLS. Made to be sourced; sets $top,
# $target, $cache and $work.
#
# Needs Debian or a relative of it, the packages of `need` or `need_tools` in each script, and for `need` root. Root file
# systems and images are kept in $FEISHU_EXPORT_WATCHER_TESTS_CACHE, by default /var/cache/feishu-export-watcher-tests.

top=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
cache=${FEISHU_EXPORT_WATCHER_TESTS_CACHE:-/var/cache/feishu-export-watcher-tests}
target=${CARGO_TARGET_DIR:-$top/target}
host=feishu.test
started=()

# What is printed when a check fails; each script has its own.
evidence() { :; }

ok() { printf 'ok: %s\n' "$*"; }

fail() {
  printf 'not ok: %s\n' "$*" >&2
  evidence >&2 || true
  exit 1
}

# check WHAT COMMAND...: one command, one line.
check() {
  local what=$1
  shift
  "$@" || fail "$what"
  ok "$what"
}

# within SECONDS COMMAND...: tries the command until it succeeds.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

not() { ! "$@"; }

# need COMMAND...: ends with 77 where this machine can't run a script that takes systems or images apart.
need() {
  [[ $EUID == 0 ]] || { echo "not run: needs root"; exit 77; }
  need_tools "$@"
  unshare --mount --pid --fork true 2>/dev/null || { echo "not run: needs namespaces of its own"; exit 77; }
  mkdir -p "$cache"
}

# need_tools COMMAND...: ends with 77 where one of them is missing.
need_tools() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || { echo "not run: needs $command"; exit 77; }
  done
  work=$(mktemp -d)
  trap tidy_up EXIT
}

tidy_up() {
  clean || true
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}

# What a script has to undo before the rest goes; each has its own.
clean() { :; }

# debian_root NAME PACKAGES: the path of a minimal system of this machine's own release, so that what was built here runs
# there. Made once (about half a minute) and kept.
debian_root() {
  local codename root packages=$2
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
  root=$cache/$1-$codename
  exec 9>"$root.lock"
  flock 9
  # Only a whole one counts, with these packages.
  if [[ $(cat "$root.packages" 2>/dev/null) != "$packages" ]]; then
    rm -rf "$root" "$root.packages"
    debootstrap --variant=minbase --include="$packages" "$codename" "$root" >"$root.log" 2>&1 ||
      { tail -n 5 "$root.log" >&2; return 1; }
    echo "$packages" >"$root.packages"
  fi
  exec 9>&-
  echo "$root"
}

# A port of the loopback address where nothing listens.
free_port() {
  local port
  while port=$((RANDOM % 10000 + 20000)) && is_open "$port"; do :; done
  echo "$port"
}

is_open() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Starts the simulator with the scenario on stdin. Sets $simulator to its base URL.
start_simulator() {
  cat >"$work/scenario.toml"
  "$target/debug/export-simulator" --scenario "$work/scenario.toml" >"$work/simulator.url" 2>"$work/simulator.log" &
  started+=($!)
  within 10 test -s "$work/simulator.url" || fail "the simulator starts"
  simulator=$(cat "$work/simulator.url")
}

# Starts the simulator and, before it, TLS under the name $host with a certificate authority of its own, $work/ca.pem.
# Sets $base_url.
start_feishu() {
  start_simulator
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
  plain_port=$(sed 's,.*:,,; s,/,,' <<<"$simulator")
  tls_port=$(free_port)
  openssl req -x509 "${key[@]}" -keyout "$work/ca.key" -out "$work/ca.pem" -subj "/CN=Tests" 2>/dev/null
  openssl req -x509 "${key[@]}" -keyout "$work/tls.key" -out "$work/tls.pem" -subj "/CN=$host" \
    -CA "$work/ca.pem" -CAkey "$work/ca.key" -addext "subjectAltName=DNS:$host" -addext basicConstraints=critical,CA:FALSE 2>/dev/null
  serve_tls 127.0.0.1
  within 10 is_open "$tls_port" || fail "TLS starts"
  # shellcheck disable=SC2034 # for scripts that source this
  base_url=https://$host:$tls_port
}

# serve_tls ADDRESS: TLS before the simulator at that loopback address. Sets $tls to its process, which has one child for
# each connection.
serve_tls() {
  socat "OPENSSL-LISTEN:$tls_port,bind=$1,reuseaddr,fork,verify=0,cert=$work/tls.pem,key=$work/tls.key" \
    "TCP:127.0.0.1:$plain_port" 2>>"$work/socat.log" &
  tls=$!
  started+=("$tls")
}

# http_get PATH: what the server at $port of this machine answers, head and all.
http_get() {
  exec 8<>"/dev/tcp/127.0.0.1/$port" && printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&8 &&
    cat <&8
  exec 8>&-
}

# Starts a receiver of webhooks that takes everything. Sets $receiver to its port; $work/received gets the path, the
# webhook-id and the body of each request, in one line.
start_receiver() {
  cat >"$work/receive" <<'SH'
#!/bin/bash
LC_ALL=C # lengths are in bytes
read -r _ path _
while IFS=': ' read -r name value && value=${value%$'\r'} && [[ $name != $'\r' ]]; do
  case ${name,,} in content-length) length=$value ;; webhook-id) id=$value ;; esac
done
IFS= read -r -N "$length" body
printf '%s %s %s\n' "$path" "$id" "$body" >>"$1"
printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
SH
  chmod +x "$work/receive"
  : >"$work/received"
  receiver=$(free_port)
  socat "TCP-LISTEN:$receiver,bind=127.0.0.1,reuseaddr,fork" "EXEC:$work/receive $work/received" 2>>"$work/socat.log" &
  started+=($!)
  within 10 is_open "$receiver" || fail "the receiver of webhooks starts"
}

# received EVENT TICKET [HOOK]: whether that event came to /HOOK, by default /chat, with its id in the header and the body.
received() { grep -Eq "^/${3:-chat} ([^ ]+) \{\"id\":\"\1\",.*\"event\":\"$1\".*\"ticket\":\"$2\"" "$work/received"; }
