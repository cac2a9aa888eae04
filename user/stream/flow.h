/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a stream: ranges of bytes come in, in order or nearly so; contiguous bytes come
 * out, and gaps are explicit. Positions are 64-bit and never wrap.
 *
 *	          parsed            next
 *	|--- gone ---|---- view -----|--- ahead: out of order, a few, for a moment
 *
 * `parsed` beyond `next` means that the parser skips: bytes up to there are dropped, or were never
 * captured, and a hole in them is no gap.
 */
#ifndef ONLOOKER_FLOW_H
#define ONLOOKER_FLOW_H

#include "bytes.h"
#include "util/pool.h"

/* A range of a stream that one call moved, and the part of it that was captured. */
struct chunk {
	uint64_t position; /* of the first byte moved */
	uint64_t time;	   /* when the call completed, ns */
	uint64_t arrival;  /* when it reached the socket, ns; 0 unknown */
	uint64_t task;
	uint32_t moved;
	uint32_t loss;	    /* enum loss_reason: why fewer bytes are here than were moved */
	struct bytes bytes; /* the first ones of the range; borrowed */
	uint64_t hopped;    /* from here up to it are only messages that change nothing, which are
			       not told of; 0: none are missing */
};

/* Bytes up to `end` were moved at these times. */
struct mark {
	uint64_t end;
	uint64_t time, arrival, task;
};

#define FLOW_MARKS 8
#define FLOW_AHEAD 16
#define FLOW_BLOCK 4096

/* Memory for bytes that must be kept; shared by all lanes. */
struct flow_memory {
	struct pool blocks; /* of FLOW_BLOCK bytes */
	size_t used;	    /* bytes in larger buffers and in chunks put aside */
	uint64_t refused;   /* of those; of blocks see the pool */
};

struct ahead {
	struct ahead *next;
	struct chunk chunk; /* its bytes follow */
	uint8_t copy[];
};

struct flow {
	uint64_t next;
	uint64_t parsed;
	struct bytes view; /* bytes [parsed, next): borrowed from the chunk at hand, or in `held` */
	uint8_t *held;	   /* NULL while nothing needs keeping */
	uint32_t held_room;
	uint8_t mark_count;
	uint8_t ahead_count;
	bool started;		       /* `next` is known */
	struct mark marks[FLOW_MARKS]; /* of the bytes from `parsed` on, oldest first */
	struct mark at;		       /* of the byte before `parsed` */
	struct ahead *ahead;	       /* by position */
	uint64_t ahead_since; /* ns: when the lane began to wait for what is missing; 0: it does not
			       */
};

enum flow_take {
	FLOW_TAKEN,   /* the view may have grown, or a skip may be complete */
	FLOW_NOTHING, /* old bytes, or put aside */
	FLOW_GAP,     /* bytes are missing before the chunk's captured ones: nothing was taken */
};

void flow_memory_init(struct flow_memory *memory);
void flow_memory_free(struct flow_memory *memory);

/*
 * Takes a chunk; its bytes are borrowed until flow_keep(). One that is ahead of its time is put
 * aside where `patient`, else it is a gap. Bytes that cannot be kept for lack of memory are a gap.
 * A hole at the chunk's end is left to flow_end().
 */
enum flow_take flow_take(struct flow *flow, struct flow_memory *memory, const struct chunk *chunk,
			 bool patient);

/* Puts a chunk aside until flow_ahead_pop(). FLOW_NOTHING, or FLOW_GAP: no room. */
enum flow_take flow_defer(struct flow *flow, struct flow_memory *memory, const struct chunk *chunk);

/* The chunk just taken and parsed ends at `end`: false where bytes are missing up to there. */
bool flow_end(struct flow *flow, uint64_t end);

/*
 * Drops `used` bytes from the view's front; more than it holds begins a skip. The bytes dropped
 * stay readable until the next flow_take() or flow_keep().
 */
void flow_consume(struct flow *flow, size_t used);

/* Makes what is still borrowed the lane's own; false where memory is lacking: those bytes are lost.
 */
bool flow_keep(struct flow *flow, struct flow_memory *memory);

/* The times of the byte at `position`, which is not yet parsed; else of the newest byte. */
const struct mark *flow_mark(const struct flow *flow, uint64_t position);

/*
 * Unlinks the chunk that was put aside and fits now (or, where `force`, the next one whatever is
 * missing). The caller frees it with flow_ahead_free(). NULL where there is none.
 */
struct ahead *flow_ahead_pop(struct flow *flow, bool force);
void flow_ahead_free(struct ahead *ahead, struct flow_memory *memory);

/* Nothing of interest is missing before the chunk. */
static inline bool flow_hops(const struct flow *flow, const struct chunk *chunk)
{
	return chunk->hopped && chunk->hopped == flow->parsed && !flow->view.size &&
	       chunk->position > flow->parsed;
}

/* What was put aside waits for bytes that are missing before it. */
static inline bool flow_stuck(const struct flow *flow)
{
	return flow->ahead && flow->ahead->chunk.position > flow->next &&
	       flow->ahead->chunk.position > flow->parsed && !flow_hops(flow, &flow->ahead->chunk);
}

/* Forgets all bytes before `position`, parsed or not. */
void flow_restart(struct flow *flow, struct flow_memory *memory, uint64_t position);

/* Forgets everything: the stream begins with the chunk that comes next. */
void flow_reset(struct flow *flow, struct flow_memory *memory);

void flow_free(struct flow *flow, struct flow_memory *memory);

#endif
