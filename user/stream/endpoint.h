/* SPDX-License-Identifier: Apache-2.0 */
/* An end of a connection as a number, the same wherever it is seen from. */
#ifndef ONLOOKER_ENDPOINT_H
#define ONLOOKER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

#define ENDPOINT_NONE 0

/*
 * The address and port of this end (`local`) or the other one, never ENDPOINT_NONE; with the
 * network namespace where the address means a different host in each. Of a Unix socket its bound
 * path.
 */
uint64_t endpoint_id(const struct event_open *open, bool local);

#endif
