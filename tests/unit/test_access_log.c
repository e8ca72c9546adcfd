/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/access_log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static void secrets_in_a_target_are_not_shown(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"/get?channel=ops&last=7&wait=25&limit=3", "/get?channel=ops&last=7&wait=25&limit=3"},
        {"/past?before=1&count=2", "/past?before=1&count=2"},
        {"/send?channel=c&sender=me&content=the+secret", "/send?channel=c&sender=*&content=*"},
        {"/get?token=sesame", "/get?token=*"},
        {"/get?channel=c;token=sesame&last=0", "/get?channel=c;token=*&last=0"},
        {"/get#sesame?last=0", "/get#*"},
        {"/get?last=0#sesame", "/get?last=0#*"},
        {"/get?sesame", "/get?*"},
        {"/get?=sesame", "/get?=*"},
        {"/get?Channel=x&%63hannel=y&channel", "/get?Channel=*&%63hannel=*&*"},
        {"/get?&&x=&", "/get?&&x=*&"},
        {"/get?", "/get?"},
        {"/", "/"},
        {"", ""},
        {"/get;token=sesame?last=0", "/get;token=*?last=0"},
        {"/get?last=0?token=sesame", "/get?last=0?token=*"},
        {"/get?channel=a%26token%3dsesame", "/get?channel=*"},
        {"/get?channel=a=sesame", "/get?channel=*"},
        {"/get?channel=http://me:sesame@host", "/get?channel=*"},
        {"/get?channel=me:sesame%40host", "/get?channel=*"},
        {"/get%3Ftoken=sesame", "/get%3Ftoken=*"},
        {"/get%3Ftoken%3Dsesame", "/get%3Ftoken=*"},
        {"http://me:sesame@host:80/get?channel=a", "*@host:80/get?channel=a"},
        {"http://me@in@host", "*@host"},
        {"//me:sesame@host/get", "*@host/get"},
        {"///me:sesame@host", "*@host"},
        {"//me:sesame%40host/", "*%40host/"},
        {"me:sesame@host:443", "*@host:443"},
        {"//me:ses=ame@host", "*"},
        {"http://host/a", "http://host/a"},
        {"host:443", "host:443"},
        {"http:/", "http:/"},
        {"*", "*"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct buf b;
        buf_init(&b, 2 * strlen(table[i][0]) + 1);
        assert_int_equal(access_add_target(&b, table[i][0]), 0);
        assert_string_equal(b.data ? b.data : "", table[i][1]);
        buf_release(&b);
    }
}

/* What the log module writes for a request that has just begun and ended. The time is 0 to 9 ms and
 * shown as N. */
static const char *line_of(const char *method, const struct access_end *end)
{
    static char text[8192];
    struct access a = {0};
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    access_begin(&a, method);
    access_end(&a, end);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    text[n > 0 ? n : 0] = '\0';
    char *ms = strstr(text, " ms ");
    if (ms)
        ms[-1] = 'N';
    return text;
}

static void a_line_says_who_asked_what_and_what_came_of_it(void **state)
{
    (void)state;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(4711)};
    struct sockaddr_in6 peer6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer6.sin6_addr = in6addr_loopback;
    struct access_end end = {.peer = (struct sockaddr *)&peer,
                             .target = "/get?channel=ops",
                             .status = 200,
                             .bytes = 12345678901};
    log_init("t", LOG_VERBOSE);
    assert_string_equal(line_of("GET", &end),
                        "t: 127.0.0.1:4711 200 12345678901 bytes N ms GET /get?channel=ops\n");
    end.cut = true;
    end.peer = (struct sockaddr *)&peer6;
    assert_string_equal(line_of("GET", &end),
                        "t: [::1]:4711 200 cut 12345678901 bytes N ms GET /get?channel=ops\n");
    struct sockaddr local = {.sa_family = AF_UNIX};
    end = (struct access_end){.peer = &local, .target = "/healthz", .bytes = 9};
    assert_string_equal(line_of("HEAD", &end), "t: unix 0 0 bytes N ms HEAD /healthz\n");
    end.peer = NULL;
    assert_string_equal(line_of("GET", &end), "t: unknown 0 9 bytes N ms GET /healthz\n");
}

static void hostile_bytes_are_made_visible_and_long_ones_cut(void **state)
{
    (void)state;
    static char target[20000];
    struct access_end end = {.target = "/\033[2J\r\n\xff\xe2\x80\xae?channel=\a"};
    log_init("t", LOG_VERBOSE);
    assert_string_equal(line_of("G\033T", &end),
                        "t: unknown 0 0 bytes N ms G\\u001bT "
                        "/\\u001b[2J\\r\\n\xef\xbf\xbd\\u202e?channel=\\u0007\n");
    memset(target, 'a', sizeof(target) - 1);
    end.target = target;
    const char *line = line_of("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &end);
    assert_true(strlen(line) < ACCESS_TARGET_MAX + 100);
    assert_non_null(strstr(line, " AAAAAAAAAAAAAAA aaaa"));
    assert_non_null(strstr(line, "aaa...\n"));
}

static void without_v_nothing_is_said(void **state)
{
    (void)state;
    struct access_end end = {.target = "/"};
    log_init("t", LOG_NORMAL);
    assert_string_equal(line_of("GET", &end), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_in_a_target_are_not_shown),
        cmocka_unit_test(a_line_says_who_asked_what_and_what_came_of_it),
        cmocka_unit_test(hostile_bytes_are_made_visible_and_long_ones_cut),
        cmocka_unit_test(without_v_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
