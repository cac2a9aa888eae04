/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a table that is never cleared is shared, so that nobody can fill it alone: a holder may take
 * more only while that leaves at least as much free as it then has. One holder gets half of the
 * table, n of them 1/(n+1) each, and whoever comes later always finds room. Known of switches as
 * the dynamic threshold: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
 * packet switches", 1998.
 */
#ifndef ONLOOKER_SHARE_H
#define ONLOOKER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether who has `held` may take `wanted` more of a table of `limit`, `used` being taken. */
static inline bool share_allows(uint64_t held, uint64_t wanted, uint64_t used, uint64_t limit)
{
	return used + wanted + held + wanted <= limit;
}

#endif
