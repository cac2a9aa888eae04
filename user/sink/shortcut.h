/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from what an exchange is to its two series, for those that were counted last: a small
 * table of pointers in front of the set's. Only series under their own key are in it, and those
 * stay where they are for good.
 */
#ifndef ONLOOKER_SHORTCUT_H
#define ONLOOKER_SHORTCUT_H

#include "sink/series.h"

#define SHORTCUTS 512 /* a power of two */

/* Two words that tell keys apart, and never are in memory together with a half written key. */
struct shortcut_tag {
	uint64_t one, two; /* the second for labels that not all metrics have */
};

struct shortcut {
	struct shortcut_tag tag;
	struct series *first, *second; /* NULL: not a shortcut (yet) */
};

struct shortcuts {
	struct shortcut place[SHORTCUTS];
};

static inline struct shortcut_tag shortcut_tag(uint32_t identity, unsigned int metric,
					       unsigned int choice, uint16_t operation)
{
	return (struct shortcut_tag){ .one = (uint64_t)identity << 32 | (uint64_t)operation << 16 |
					     choice << 8 | metric };
}

/* The place where the shortcut of `tag` is or would be. */
static inline struct shortcut *shortcut_place(struct shortcuts *shortcuts, struct shortcut_tag tag)
{
	uint64_t hash = (tag.one ^ tag.two * 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL;

	return &shortcuts->place[hash >> 32 & (SHORTCUTS - 1)];
}

/* Whether it leads to the series of `tag`. */
static inline bool shortcut_leads(const struct shortcut *shortcut, struct shortcut_tag tag)
{
	return shortcut->first && shortcut->tag.one == tag.one && shortcut->tag.two == tag.two;
}

/* From now on it does, if both series exist under their own keys. */
static inline void shortcut_set(struct shortcut *shortcut, struct shortcut_tag tag,
				struct series *first, struct series *second)
{
	*shortcut = (struct shortcut){ .tag = tag };
	if (first && second) {
		shortcut->first = first;
		shortcut->second = second;
	}
}

#endif
