/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "unit.h"

#include "scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[4096];

int scratch_make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/unit-XXXXXX", base ? base : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

int scratch_remove(void **state)
{
    (void)state;
    scratch_limit(-1);
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_path(const char *name)
{
    static char paths[8][sizeof(directory) + 512];
    static unsigned turn;
    char *path = paths[turn++ % COUNT(paths)];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

void scratch_write(const char *name, struct span bytes)
{
    FILE *f = fopen(scratch_path(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

void scratch_read(const char *name, struct buf *b)
{
    char chunk[4096];
    size_t n;
    FILE *f = fopen(scratch_path(name), "rb");
    assert_non_null(f);
    buf_clear(b);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        assert_int_equal(buf_add(b, chunk, n), 0);
    fclose(f);
}

bool scratch_has(const char *name)
{
    struct stat info;
    return lstat(scratch_path(name), &info) == 0;
}

void scratch_delete(const char *name)
{
    assert_int_equal(remove(scratch_path(name)), 0);
}

int scratch_count(const char *name, const char *part, char *ret_name)
{
    DIR *d = opendir(scratch_path(name));
    assert_non_null(d);
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            !strstr(entry->d_name, part))
            continue;
        count++;
        if (ret_name)
            snprintf(ret_name, 256, "%s", entry->d_name);
    }
    closedir(d);
    return count;
}

void scratch_limit(long bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < 0 ? limit.rlim_max : (rlim_t)bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
