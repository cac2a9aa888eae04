/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a connection as a label value. */
#ifndef ONLOOKER_PEER_H
#define ONLOOKER_PEER_H

#include <stdint.h>

#include "event.h"

/*
 * The name (names.h) of the other end: "10.0.0.5:5432" or "[::1]:5432" seen from the client,
 * without the port, which is any, seen from the server; a Unix socket's path, "@name" if abstract.
 * It counts towards the share of the service that has it first.
 */
uint16_t peer_name(const struct event_open *open, uint32_t identity);

#endif
