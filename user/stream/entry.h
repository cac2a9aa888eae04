/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as its table keeps it: the conversation, and where it stands in the kernel side's
 * terms. Private to user/stream.
 */
#ifndef ONLOOKER_ENTRY_H
#define ONLOOKER_ENTRY_H

#include "event.h"
#include "stream/conversation.h"
#include "stream/twins.h"

#define MIDWAY_START (1ULL << 32) /* so that what lies before it still has a position */

enum entry_server {
	SERVER_THERE, /* the other end is the server */
	SERVER_HERE,
};

struct entry {
	struct entry *next, **link; /* all entries */
	uint64_t edge[2];	    /* one past the newest byte that a record told of */
	uint64_t end[2];	    /* closing: where the streams end */
	uint64_t unread;   /* closing: bytes of the end of what came in that need not be read */
	uint64_t deadline; /* closing: when to wait no longer; 0: not closing */
	uint64_t closed_at;
	uint64_t inode;
	uint64_t endpoint[2];	/* silent: of the server, by enum entry_server */
	uint64_t told_until[2]; /* where the skip ends, as far as it is known here */
	uint32_t first[2];	/* the kernel side's position of our 0 */
	uint32_t slot, generation;
	uint32_t tgid;
	bool is_unix;
	bool told_skip[2];
	uint8_t told_hop[2]; /* and that it may move on: the kind of frames; 0: no */
	uint8_t vain[2];     /* times it did not, one after the other */
	bool hurry_paid; /* something could be skipped since the reader was woken for a large call
			  */
	bool silent;	 /* found open, and has not said yet what it carries */
	bool relayed;	 /* what it reads is told of without bytes until the verdict is seen */
	struct twin twin;
	struct conversation conversation;
};

/* Bytes of a frame's head, behind a skip that may move on, of which nothing was told. */
static inline uint32_t entry_cut_most(const struct entry *entry, unsigned int direction)
{
	if (!entry->told_hop[direction])
		return 0;
	return entry->told_hop[direction] == FRAME_LINES ? FRAME_CUT_MOST : FRAME_HEAD - 1;
}

/* The kernel side's 32 bits, near what was seen last, on our endless scale. */
static inline uint64_t entry_widen(const struct entry *entry, unsigned int direction,
				   uint32_t position)
{
	uint64_t edge = entry->edge[direction];

	return edge + (int64_t)(int32_t)(position - entry->first[direction] - (uint32_t)edge);
}

/* And back. */
static inline uint32_t entry_narrow(const struct entry *entry, unsigned int direction,
				    uint64_t position)
{
	return entry->first[direction] + (uint32_t)position;
}

#endif
