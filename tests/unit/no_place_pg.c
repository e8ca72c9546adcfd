/* SPDX-License-Identifier: MIT */
/*
 * For a build without libpq: no test can be led there.
 */
#include "unit.h"

#include "unit/store_fixture.h"

static int make(char *folder, size_t folder_size, char *where, size_t where_size)
{
    (void)folder, (void)folder_size, (void)where, (void)where_size;
    print_error("this build has no PostgreSQL\n");
    return -1;
}

const struct place place_postgres = {.make = make};
