/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/slowness.h"

#include <errno.h>
#include <string.h>

#include "util/memory.h"

#define SHIFT 14 /* below 16 us all are alike */
#define STEPS 96 /* four an octave: beyond 2^38 ns, four minutes, too */
#define LEAST 200
#define MOST 8192
#define WAYS 4

struct endpoint {
	uint32_t identity, endpoint;
	uint16_t total; /* 0: free */
	uint16_t counts[STEPS];
};

struct slowness {
	struct endpoint endpoints[SLOWNESS_LIMIT];
};

int slowness_new(struct slowness **ret)
{
	struct slowness *slowness = memory_take_zeroed(MEMORY_FIXED, sizeof(*slowness));

	if (!slowness)
		return -ENOMEM;
	*ret = slowness;
	return 0;
}

void slowness_free(struct slowness *slowness)
{
	memory_give(MEMORY_FIXED, slowness, sizeof(*slowness));
}

/* Few share a set of places; the one that knows least makes room. */
static struct endpoint *find(struct slowness *slowness, uint32_t identity, uint32_t endpoint)
{
	uint64_t hash = ((uint64_t)identity << 32 | endpoint) * 0x9e3779b97f4a7c15ULL;
	struct endpoint *set = &slowness->endpoints[hash >> 40 & (SLOWNESS_LIMIT - WAYS)];
	struct endpoint *least = set;

	for (struct endpoint *at = set; at < set + WAYS; at++) {
		if (at->total && at->identity == identity && at->endpoint == endpoint)
			return at;
		if (at->total < least->total)
			least = at;
	}
	memset(least, 0, sizeof(*least));
	least->identity = identity;
	least->endpoint = endpoint;
	return least;
}

static unsigned int step_of(uint64_t duration)
{
	unsigned int octave, step;

	duration >>= SHIFT;
	if (duration < 4)
		return (unsigned int)duration;
	octave = 63 - (unsigned int)__builtin_clzll(duration);
	step = (octave - 1) * 4 + (unsigned int)(duration >> (octave - 2) & 3);
	return step < STEPS ? step : STEPS - 1;
}

static void halve(struct endpoint *endpoint)
{
	endpoint->total = 0;
	for (int i = 0; i < STEPS; i++) {
		endpoint->counts[i] /= 2;
		endpoint->total += endpoint->counts[i];
	}
}

bool slowness_count(struct slowness *slowness, uint32_t identity, uint32_t endpoint,
		    uint64_t duration)
{
	struct endpoint *at = find(slowness, identity, endpoint);
	unsigned int step = step_of(duration), above = 0;

	at->counts[step]++;
	if (++at->total >= MOST)
		halve(at);
	for (unsigned int i = step; i < STEPS; i++)
		above += at->counts[i];
	/* Those of its own step and beyond are together not more than one in a hundred. */
	return at->total >= LEAST && above * 100 <= at->total;
}
