/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges and connections made up for tests of sinks, without bytes behind them. */
#ifndef ONLOOKER_TRAFFIC_H
#define ONLOOKER_TRAFFIC_H

#include "capture/identity.h"
#include "exchange.h"
#include "util/names.h"

/* One of each family; real ones by name only. */
extern const struct protocol traffic_http, traffic_database, traffic_cache;

/* The identity of a program that is not running any more. */
uint32_t traffic_identity(struct identities *identities, const char *program);

uint16_t traffic_name(enum name_kind kind, const char *text);

/* A view of a string, which it borrows. */
struct bytes traffic_view(const char *text);

/* A connection seen from its begin, 100 us from SYN to established, no session yet. */
struct connection traffic_connection(uint32_t identity, const struct protocol *protocol,
				     enum side side, const char *peer);

/* A finished one that took `duration` ns. */
struct exchange traffic_exchange(const struct connection *connection, const char *operation,
				 uint64_t duration);

#endif
