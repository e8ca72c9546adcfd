# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# server.sh: what chancatd can take.
#
# posts: POSTs of 64 connections (wrk), each answered when it is on the disk, against its store with
# one transaction for each message (store.c, without HTTP), in a file beside the other; and against
# one connection, of which each POST is a transaction, too.
#
# polls: GETs of 64 connections with nothing new, against libmicrohttpd with a fixed reply of the
# same headers and size (fixed.c).
#
# size: what a poll costs in databases of 1,000, 100,000 and 10,000,000 messages of ten channels:
# nothing new, the next 100 messages near the end, the last 50. 8 connections; a chancatd for each.

define posts.single /s more '>= 10' wrk 'its store, one at a time' \
    'durable POSTs, 64 connections'
define posts.one /s more '>= 10' wrk 'one connection' 'durable POSTs, 64 connections'

posts_chancatd() {
    wrk_rate posts.chancatd 64 "$URL/send" "$WORK/post.lua"
}

posts_one() {
    wrk_rate posts.one 1 "$URL/send" "$WORK/post.lua"
}

posts_single() {
    attend "$BENCH_BIN/store" single "$WORK/single.db" "$WRK_SECS" >"$WORK/single.out" ||
        failed 'the store' || return
    sample posts.single "$(cat "$WORK/single.out")"
}

bench_posts() {
    write_post_script "$WORK/post.lua" c
    start_server
    rounds posts_chancatd posts_single posts_one || return
    result posts.single "$(median posts.chancatd)" "$(median posts.single)"
    result posts.one "$(median posts.chancatd)" "$(median posts.one)"
}

define polls.fixed /s more '>= 0.5' wrk,curl 'libmicrohttpd, a fixed reply' \
    'polls with nothing new, 64 connections'

polls_chancatd() {
    wrk_rate polls.chancatd 64 "$chancatd_url"
}

polls_fixed() {
    wrk_rate polls.fixed 64 "$URL"
}

bench_polls() {
    local chancatd_url headers body
    start_server
    post c bench hello || failed 'a POST' || return
    chancatd_url="$URL/get?channel=c&last=1"
    body=$(curl -sS "$chancatd_url")
    # libmicrohttpd makes the others itself.
    mapfile -t headers < <(curl -sS -o /dev/null -D - "$chancatd_url" | tr -d '\r' |
        sed -n '1d; /^\(Date\|Connection\|Content-Length\):/Id; /./p')
    start_daemon "$WORK/fixed.err" "$BENCH_BIN/fixed" "$body" "${headers[@]}"
    rounds polls_chancatd polls_fixed || return
    result polls.fixed "$(median polls.chancatd)" "$(median polls.fixed)"
}

SMALL=1000
MIDDLE=$(scaled 100000 2000)
LARGE=$(scaled 10000000 5000)

define size.poll.mid /s more '>= 0.8' wrk "$SMALL messages" "nothing new, $MIDDLE messages in all"
define size.poll.large /s more '>= 0.8' wrk "$SMALL messages" "nothing new, $LARGE messages in all"
define size.page.mid /s more '>= 0.8' wrk "$SMALL messages" "the next 100 messages of $MIDDLE"
define size.page.large /s more '>= 0.8' wrk "$SMALL messages" "the next 100 messages of $LARGE"
define size.past.mid /s more '>= 0.8' wrk "$SMALL messages" "the last 50 messages of $MIDDLE"
define size.past.large /s more '>= 0.8' wrk "$SMALL messages" "the last 50 messages of $LARGE"

# Starts a chancatd with so many messages. Sets URL.
start_filled() {
    local database=$WORK/size.$1.db
    say "filling a database with $1 messages"
    attend "$BENCH_BIN/store" fill "$database" "$1" 10 || failed 'a database is not filled' || return
    start_server -d "$database"
}

# size_rate NAME TARGET: with the three servers in turn; @ is the last id, % the one 1,000 before.
size_rate() {
    local i target
    for i in small mid large; do
        target=${2//@/${size_count[$i]}}
        target=${target//%/$((size_count[$i] - 1000))}
        WRK_SECS=1 wrk_rate "size.$1.$i" 8 "${size_url[$i]}$target" || return
    done
}

size_poll() {
    size_rate poll '/get?channel=c1&last=@'
}

size_page() {
    size_rate page '/get?channel=c1&last=%&limit=100'
}

size_past() {
    size_rate past '/past?channel=c1&count=50'
}

bench_size() {
    local -A size_count=([small]=$SMALL [mid]=$MIDDLE [large]=$LARGE) size_url
    local i what free
    free=$(df -Pk "$WORK" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt $((LARGE / 5)) ] || skipped "$((LARGE / 5)) KiB of disk are not free" || return
    for i in small mid large; do
        start_filled "${size_count[$i]}" || return
        size_url[$i]=$URL
    done
    rounds size_poll size_page size_past || return
    for what in poll page past; do
        for i in mid large; do
            result "size.$what.$i" "$(median "size.$what.$i")" "$(median "size.$what.small")"
        done
    done
}
