/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which route a path belongs to, as a name (names.h, NAME_ROUTE): the first configured pattern that
 * matches, else the path with its variable segments folded.
 *
 *	target --> cache (direct-mapped, by its bytes) --> name
 *	             \-- miss --> patterns, fold --> names_intern(), or names_find() alone
 */
#ifndef ONLOOKER_ROUTE_H
#define ONLOOKER_ROUTE_H

#include "bytes.h"
#include "config.h"

struct routes;

/* Routes with these patterns. 0 or -ENOMEM; routes_free() ends them. */
int routes_new(const struct config_endpoints *endpoints, struct routes **ret);
void routes_free(struct routes *routes);

/* Takes other patterns from now on. 0, or -ENOMEM: all is as before. */
int routes_configure(struct routes *routes, const struct config_endpoints *endpoints);

/*
 * The route of a request target: "/path", "http://host/path", "host:port" (CONNECT), "*" or "",
 * which is "/". A query is dropped. A route without a name yet gets one on behalf of `holder`:
 * NAME_OTHER where there is no room for it. It gets none, and is NAME_OTHER, for NAMES_NOBODY: who
 * may have no more routes uses up no names either.
 */
uint16_t routes_find(struct routes *routes, struct bytes target, uint32_t holder);

/* The same of a target that was looked for lately, else NAME_NONE. */
uint16_t routes_known(const struct routes *routes, struct bytes target);

#endif
