# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# send.sh: lines are sent.
#
# send, durable: to a server without extras, one POST per line: faultd, which keeps them in memory,
# and chancatd --plain, which writes each to the disk. Peers post lines of the same length: wrk over
# one connection for some seconds; one curl over one connection (-K: a request for each line); a
# shell loop with a curl for each of fewer lines. Figures are lines a second, with the start of the
# programs.
#
# batch: to chancatd with its extras, against mosquitto_pub -l -q 1 to mosquitto, which keeps
# nothing on disk. mosquitto_pub gets fewer lines: of more than 65,535 at a time version 2.0.11
# silently forgets most. What mosquitto has got is counted.
#
# link: the same through delay.c, 25 ms each way, against one POST per line over a kept connection
# (curl -K, fewer lines).
#
# announce: one line, from the start of the program to its end (hyperfine, which takes the time of the
# shell off).

SEND_LINES=$(scaled 10000 20)
DURABLE_LINES=$(scaled 4000 20)
BATCH_LINES=$(scaled 1000000 1000)
MQTT_LINES=$(scaled 60000 1000)
[ "$MQTT_LINES" -le 60000 ] || MQTT_LINES=60000
LOOP_LINES=$(scaled 200 5)
LINK_LINES=$(scaled 50000 1000)
LINK_PEER_LINES=$(scaled 60 4)
LINK_MS=25

define send.wrk /s more '>= 0.95' wrk 'wrk -c1 -t1' \
    "send $SEND_LINES lines, plain server"
define send.curl /s more '>= 1' curl 'one keep-alive curl -K' \
    "send $SEND_LINES lines, plain server"
define send.loop /s more '>= 20' curl "a loop of curl ($LOOP_LINES lines)" \
    "send $SEND_LINES lines, plain server"
define durable.wrk /s more '>= 0.95' wrk 'wrk -c1 -t1' \
    "send $DURABLE_LINES lines, chancatd --plain"
define durable.curl /s more '>= 1' curl 'one keep-alive curl -K' \
    "send $DURABLE_LINES lines, chancatd --plain"
define durable.loop /s more '>= 20' curl "a loop of curl ($LOOP_LINES lines)" \
    "send $DURABLE_LINES lines, chancatd --plain"

# write_curl_config FILE URL N: N posts over one connection.
write_curl_config() {
    echo fail-early >"$1"
    awk -v url="$2" -v n="$3" 'BEGIN {
        for (i = 1; i <= n; i++) {
            if (i > 1) print "next"
            printf "url = \"%s/send\"\noutput = /dev/null\nsilent\nshow-error\nfail\n", url
            printf "data = \"channel=c&sender=bench&content=line+%07d+of+a+benchmark\"\n", i
        }
    }' >>"$1"
}

# The channel gets the lines of the file $lines; rates are samples of $group.NAME.
send_chancat() {
    costs "$group.chancat" "$CHANCAT" -u "$URL" -s c <"$lines"
}

send_wrk() {
    wrk_rate "$group.wrk" 1 "$URL/send" "$WORK/post.lua"
}

send_curl() {
    costs "$group.curl" curl -K "$WORK/curl.conf"
}

send_loop() {
    # shellcheck disable=SC2016
    costs "$group.loop" sh -c 'while read -r line; do
        curl -sS --fail -o /dev/null -d channel=c -d sender=bench --data-urlencode "content=$line" \
            "$1/send" || exit
    done' - "$URL" <"$WORK/loop.lines"
}

# compare_sending GROUP N: to the server at URL.
compare_sending() {
    local group=$1 lines=$WORK/lines steps=(send_chancat) rate
    ! wanted "$group.wrk" || steps+=(send_wrk)
    ! wanted "$group.curl" || steps+=(send_curl send_loop)
    write_lines "$lines" "$2"
    write_lines "$WORK/loop.lines" "$LOOP_LINES"
    write_post_script "$WORK/post.lua" c
    write_curl_config "$WORK/curl.conf" "$URL" "$2"
    rounds "${steps[@]}" || return
    rate=$(calculate "$2 / $(median "$group.chancat")")
    ! wanted "$group.wrk" || result "$group.wrk" "$rate" "$(median "$group.wrk")"
    wanted "$group.curl" || return 0
    result "$group.curl" "$rate" "$(calculate "$2 / $(median "$group.curl")")"
    result "$group.loop" "$rate" "$(calculate "$LOOP_LINES / $(median "$group.loop")")"
}

bench_send() {
    start_plain
    compare_sending send "$SEND_LINES"
}

bench_durable() {
    start_server --plain
    compare_sending durable "$DURABLE_LINES"
}

define batch.mosquitto /s more '>= 1' mosquitto,mosquitto_pub,mosquitto_sub \
    "mosquitto_pub -l -q 1 ($MQTT_LINES lines)" "send $BATCH_LINES lines, chancatd"

batch_chancat() {
    costs batch.chancat "$CHANCAT" -u "$URL" -s c <"$WORK/lines"
}

batch_mosquitto() {
    costs batch.mosquitto mosquitto_pub -p "$mqtt_port" -l -q 1 -t c <"$WORK/mqtt.lines"
}

# shellcheck disable=SC2317 # called by wait_until
mosquitto_runs_or_ended() {
    gone "$SPAWNED" || grep -q ' running$' "$WORK/mosquitto.log"
}

# Unlike the others it cannot be asked for a free port. Sets mqtt_port.
start_mosquitto() {
    local try
    for ((try = 0; try < 20; try++)); do
        mqtt_port=$((20000 + RANDOM % 12000))
        printf 'listener %s 127.0.0.1\nallow_anonymous true\nsys_interval 1\n' "$mqtt_port" \
            >"$WORK/mosquitto.conf"
        : >"$WORK/mosquitto.log"
        spawn mosquitto -c "$WORK/mosquitto.conf" >/dev/null 2>"$WORK/mosquitto.log"
        wait_until mosquitto_runs_or_ended
        ! alive "$SPAWNED" || return 0
    done
    failed "mosquitto does not start: $(tail -n 1 "$WORK/mosquitto.log")"
}

# shellcheck disable=SC2317 # called by wait_until
mosquitto_has() {
    [ "$(mosquitto_sub -p "$mqtt_port" -C 1 -W 5 -t "\$SYS/broker/publish/messages/received")" -ge "$1" ]
}

bench_batch() {
    local mqtt_port
    write_lines "$WORK/lines" "$BATCH_LINES"
    write_lines "$WORK/mqtt.lines" "$MQTT_LINES"
    start_server
    start_mosquitto || return
    rounds batch_chancat batch_mosquitto || return
    WAIT_SECS=10 wait_until mosquitto_has $((ROUNDS * MQTT_LINES)) ||
        failed 'mosquitto has not got all lines' || return
    result batch.mosquitto "$(calculate "$BATCH_LINES / $(median batch.chancat)")" \
        "$(calculate "$MQTT_LINES / $(median batch.mosquitto)")"
}

define link.curl /s more '>= 100' curl "one POST per line ($LINK_PEER_LINES lines)" \
    "send $LINK_LINES lines, chancatd, $((2 * LINK_MS)) ms round trip"

link_chancat() {
    costs link.chancat "$CHANCAT" -u "$URL" -s c <"$WORK/lines"
}

link_curl() {
    costs link.curl curl -K "$WORK/curl.conf"
}

bench_link() {
    write_lines "$WORK/lines" "$LINK_LINES"
    start_server
    start_daemon "$WORK/delay.err" "$BENCH_BIN/delay" "$PORT" "$LINK_MS"
    write_curl_config "$WORK/curl.conf" "$URL" "$LINK_PEER_LINES"
    rounds link_chancat link_curl || return
    result link.curl "$(calculate "$LINK_LINES / $(median link.chancat)")" \
        "$(calculate "$LINK_PEER_LINES / $(median link.curl)")"
}

define announce.plain ms less '>= 1' curl,hyperfine 'one curl POST' \
    "one line from start to end, plain server"
define announce.chancatd ms less '>= 1' curl,hyperfine 'one curl POST' \
    "one line from start to end, chancatd"

# announce NAME URL: a block of runs of one program, then of the other.
announce() {
    local form='channel=c&sender=bench&content=hi' medians
    attend hyperfine --style none --warmup 2 --runs "$(scaled 20 3)" \
        --export-csv "$WORK/hyperfine.csv" "'$CHANCAT' -s -u $2 c <'$WORK/line'" \
        "curl -sS --fail -o /dev/null -d '$form' $2/send" >&2 ||
        failed 'hyperfine' || return
    medians=$(awk -F , 'NR > 1 { print $(NF - 4) * 1000 }' "$WORK/hyperfine.csv")
    # shellcheck disable=SC2086
    sample "$1" $medians
}

announce_plain() {
    announce announce.plain "$plain_url"
}

announce_chancatd() {
    announce announce.chancatd "$URL"
}

bench_announce() {
    local plain_url
    echo hi >"$WORK/line"
    start_plain
    plain_url=$URL
    start_server
    rounds announce_plain announce_chancatd || return
    result announce.plain "$(median announce.plain)" "$(median announce.plain 2)"
    result announce.chancatd "$(median announce.chancatd)" "$(median announce.chancatd 2)"
}
