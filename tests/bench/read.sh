# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# read.sh: a long channel is read from its beginning.
#
# read: from a plain server (faultd, which makes the messages as it sends them) in one reply.
# chancat's output goes to /dev/null, as jq's and curl's does. CPU is user and system time of the
# client's processes.
#
# pages: from chancatd, in pages, against the same database in one reply (chancatd --plain) and
# against the plain server of `read`. The first line is timed by another run, whose output goes
# through a pipe.

MESSAGES=$(scaled 1000000 1000)

define read.cpu s less '>= 3' curl,jq "curl -s | jq -c '.[]'" \
    "read $MESSAGES messages, plain server: CPU time"
define read.wall s less '>= 1' curl,jq "curl -s | jq -c '.[]'" \
    "read $MESSAGES messages, plain server: time"
define read.curl s less '>= 0.83' curl 'curl -o /dev/null (1.2 times)' \
    "read $MESSAGES messages, plain server: time"
define read.memory MiB - '<= 16' - - "read $MESSAGES messages, plain server: peak memory"

read_chancat() {
    costs read.chancat "$CHANCAT" -u "$URL" -r -n all big >/dev/null
}

read_jq() {
    # shellcheck disable=SC2016
    costs read.jq sh -c 'curl -s "$1" | jq -c ".[]"' - "$URL/get?channel=big" >/dev/null
}

read_curl() {
    costs read.curl curl -s -o /dev/null "$URL/get?channel=big"
}

bench_read() {
    local steps=(read_chancat)
    ! wanted read.cpu || steps+=(read_jq)
    ! wanted read.curl || steps+=(read_curl)
    start_plain --fill "big:$MESSAGES"
    rounds "${steps[@]}" || return
    ! wanted read.cpu || result read.cpu "$(median read.chancat 2)" "$(median read.jq 2)"
    ! wanted read.wall || result read.wall "$(median read.chancat)" "$(median read.jq)"
    ! wanted read.curl || result read.curl "$(median read.chancat)" "$(median read.curl)"
    result read.memory "$(calculate "$(median read.chancat 3) / 1024")"
}

define pages.first ms - '<= 50' - - "read $MESSAGES messages, chancatd: first line"
define pages.reply s less '>= 1' - 'one reply of chancatd --plain' \
    "read $MESSAGES messages, chancatd: time"
define pages.plain s less '>= 1' - 'one reply of the plain server' \
    "read $MESSAGES messages, chancatd: time"

pages_chancatd() {
    costs pages.chancatd "$CHANCAT" -u "$paged_url" -r -n all c1 >/dev/null
}

pages_reply() {
    costs pages.reply "$CHANCAT" -u "$reply_url" -r -n all c1 >/dev/null
}

pages_plain() {
    costs pages.plain "$CHANCAT" -u "$plain_url" -r -n all c1 >/dev/null
}

pages_first() {
    attend "$BENCH_BIN/measure" -1 "$SAMPLES/pages.first" "$CHANCAT" -u "$paged_url" -r -n all c1 ||
        failed "status $? of chancat"
}

bench_pages() {
    local database=$WORK/pages.db paged_url reply_url plain_url
    say "filling a database with $MESSAGES messages"
    attend "$BENCH_BIN/store" fill "$database" "$MESSAGES" 1 || failed 'the database' || return
    start_plain --fill "c1:$MESSAGES"
    plain_url=$URL
    start_server -d "$database" --plain
    reply_url=$URL
    start_server -d "$database"
    paged_url=$URL
    rounds pages_chancatd pages_reply pages_plain pages_first || return
    result pages.first "$(median pages.first 4)"
    result pages.reply "$(median pages.chancatd)" "$(median pages.reply)"
    result pages.plain "$(median pages.chancatd)" "$(median pages.plain)"
}
