/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned strings: label values that recur (operations, peers, routes) as small numbers, so that
 * the hot path compares and hashes integers. One bounded table for the process, owned by the
 * event-loop thread; names are never removed, so a number stays good for the process's life. Each
 * kind has a budget of its own: a flood of one does not starve the others.
 */
#ifndef ONLOOKER_NAMES_H
#define ONLOOKER_NAMES_H

#include "bytes.h"

#define NAME_NONE 0   /* "" */
#define NAME_OTHER 1  /* "other": what a bound has cut off */
#define NAME_SIZE 256 /* longer texts are cut */

enum name_kind {
	NAME_OPERATION, /* methods, verbs, commands */
	NAME_PEER,	/* addresses */
	NAME_ROUTE,
	NAME_KINDS,
};

#define NAMES_OPERATIONS 4096
#define NAMES_PEERS 16384
#define NAMES_ROUTES 24576
#define NAMES_LIMIT (2 + NAMES_OPERATIONS + NAMES_PEERS + NAMES_ROUTES)

#define NAMES_HOLDERS 4096 /* services that are told apart; 1 is the first */
#define NAMES_NOBODY 0

/*
 * The number of `text`, newly given where it has none yet. NAME_OTHER when the kind's budget is
 * used up, or without memory (names_refused() counts it). One text has one number, whatever its
 * kind.
 */
uint16_t names_intern(enum name_kind kind, struct bytes text);

/*
 * The same for a holder, who may have its share of the budget (util/share.h) in texts that nobody
 * had before it; NAMES_NOBODY may have all of it.
 */
uint16_t names_intern_for(enum name_kind kind, uint32_t holder, struct bytes text);

/* The number of `text`, or NAME_NONE where it has none yet. */
uint16_t names_find(struct bytes text);

/* The text of a number, NUL-terminated; lives as long as the process. */
const char *names_text(uint16_t name);

/* How many interns were refused for lack of room. */
uint64_t names_refused(void);

#endif
