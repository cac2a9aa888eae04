/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "stream/peer.h"
#include "stream/unix_sockets.h"
#include "util/clock.h"

#define PATIENCE_NS NSEC_PER_SEC	  /* for bytes that nobody has read yet */
#define OVERTAKEN_NS (50 * NSEC_PER_MSEC) /* for records that the close has overtaken */
#define SWEEP_NS NSEC_PER_SEC
#define MIDWAY_START (1ULL << 32) /* so that what lies before it still has a position */
#define SKIP_LEAST 16384	  /* a shorter skip is not worth telling */
#define SKIP_MOST (1U << 30)	  /* positions in the verdict wrap */
#define END_UNKNOWN UINT64_MAX
#define SEARCH_TRIES 8 /* midway: from then on only the beginnings of calls are looked at */
#define SEARCH_BYTES 1024

struct entry {
	struct conversation conversation;
	struct entry *next, **link; /* all entries */
	uint64_t edge[2];	    /* one past the newest byte that a record told of */
	uint64_t end[2];	    /* closing: where the streams end */
	uint64_t unread;   /* closing: bytes of the end of what came in that need not be read */
	uint64_t deadline; /* closing: when to wait no longer; 0: not closing */
	uint64_t closed_at;
	uint64_t inode;
	uint32_t first[2]; /* the kernel side's position of our 0 */
	uint32_t slot, generation;
	uint32_t tgid;
	bool refused;
	bool is_unix;
	bool told_skip[2];
};

struct connections {
	struct entry **by_slot;
	struct entry *all;
	struct pool pool;
	struct slot *slots;
	struct pipeline *pipeline;
	struct connections_host host;
	struct unix_sockets *unix_sockets;
	struct connections_counts counts;
	uint32_t limit;
	uint32_t closing;
	uint64_t swept;
};

int connections_new(uint32_t limit, struct slot *slots, struct pipeline *pipeline,
		    const struct connections_host *host, struct connections **ret)
{
	struct connections *connections = calloc(1, sizeof(*connections));

	if (!connections)
		return -ENOMEM;
	connections->by_slot = calloc(limit, sizeof(*connections->by_slot));
	if (!connections->by_slot || unix_sockets_new(&connections->unix_sockets)) {
		connections_free(connections);
		return -ENOMEM;
	}
	pool_init(&connections->pool, sizeof(struct entry), limit, 1024);
	connections->limit = limit;
	connections->slots = slots;
	connections->pipeline = pipeline;
	connections->host = *host;
	*ret = connections;
	return 0;
}

struct connections_counts connections_counts(const struct connections *connections)
{
	return connections->counts;
}

/* ---- the end ---- */

static void entry_forget(struct connections *connections, struct entry *entry)
{
	*entry->link = entry->next;
	if (entry->next)
		entry->next->link = entry->link;
	if (entry->deadline)
		connections->closing--;
	connections->by_slot[entry->slot] = NULL;
	connections->counts.tracked--;
	connections->host.release(connections->host.context, entry->slot);
	pool_give(&connections->pool, entry);
}

/* `whole`: every byte of it was seen, so that what has no answer never got one. */
static void entry_end(struct connections *connections, struct entry *entry, bool whole)
{
	if (!entry->refused) {
		if (!whole)
			conversation_lose(&entry->conversation, connections->pipeline);
		conversation_close(&entry->conversation, connections->pipeline, entry->closed_at);
	}
	entry_forget(connections, entry);
}

void connections_free(struct connections *connections)
{
	if (!connections)
		return;
	while (connections->all) {
		struct entry *entry = connections->all;

		connections->all = entry->next;
		if (!entry->refused)
			conversation_free(&entry->conversation, connections->pipeline);
		free(entry);
	}
	unix_sockets_free(connections->unix_sockets);
	pool_free(&connections->pool);
	free(connections->by_slot);
	free(connections);
}

/* Whether all was seen, but for `unread` bytes of what came in. */
static bool is_whole(const struct entry *entry, uint64_t unread)
{
	return entry->edge[DIRECTION_RX] + unread >= entry->end[DIRECTION_RX] &&
	       entry->edge[DIRECTION_TX] >= entry->end[DIRECTION_TX];
}

/*
 * Bytes that moved without a record (splice() from a socket): their number is known, and in a body
 * that is all one wants.
 */
static void fill_up(struct connections *connections, struct entry *entry, unsigned int direction,
		    uint64_t end)
{
	struct chunk chunk = {
		.position = entry->edge[direction],
		.time = entry->closed_at,
		.moved = (uint32_t)(end - entry->edge[direction]),
	};

	if (end <= entry->edge[direction] || end - entry->edge[direction] > UINT32_MAX)
		return;
	conversation_feed(&entry->conversation, connections->pipeline, direction, &chunk);
	entry->edge[direction] = end;
}

/* It has been waited long enough for what the end overtook. */
static void entry_give_up(struct connections *connections, struct entry *entry)
{
	if (!entry->refused && entry->end[DIRECTION_RX] != END_UNKNOWN) {
		fill_up(connections, entry, DIRECTION_RX, entry->end[DIRECTION_RX] - entry->unread);
		fill_up(connections, entry, DIRECTION_TX, entry->end[DIRECTION_TX]);
	}
	entry_end(connections, entry, is_whole(entry, entry->unread));
}

/* ---- the beginning ---- */

static void fill_connection(const struct event_open *open, uint32_t identity,
			    struct connection *ret)
{
	bool late = open->head.flags & EVENT_LATE;

	*ret = (struct connection){
		.identity = identity,
		.peer = peer_name(open),
		.side = open->role == ROLE_CLIENT ? SIDE_CLIENT :
			open->role == ROLE_SERVER ? SIDE_SERVER :
						    0,
		.opened_here = !late,
		.born = open->born,
		.established = open->established,
	};
}

static struct entry *entry_new(struct connections *connections, const struct event_open *open)
{
	struct entry *entry = pool_take(&connections->pool);

	if (!entry) {
		connections->counts.refused++;
		return NULL;
	}
	memset(entry, 0, sizeof(*entry));
	entry->slot = open->head.slot;
	entry->generation = open->head.generation;
	entry->tgid = open->head.tgid;
	entry->inode = open->inode;
	entry->is_unix = open->family == AF_UNIX;
	entry->next = connections->all;
	entry->link = &connections->all;
	if (entry->next)
		entry->next->link = &entry->next;
	connections->all = entry;
	connections->by_slot[entry->slot] = entry;
	connections->counts.tracked++;
	return entry;
}

static void on_open(struct connections *connections, const struct event_open *open)
{
	bool late = open->head.flags & EVENT_LATE;
	struct connection connection;
	uint32_t identity = 0;
	struct entry *entry;

	/* The last tenant's end was lost: its slot has been taken all the same. */
	entry = connections->by_slot[open->head.slot];
	if (entry)
		entry_end(connections, entry, false);
	entry = entry_new(connections, open);
	if (!entry) {
		connections->slots[open->head.slot].ignore = 1;
		return;
	}
	entry->refused = !connections->host.admit(connections->host.context, open, &identity);
	if (entry->refused) {
		connections->slots[open->head.slot].ignore = 1;
		return;
	}
	for (int i = 0; i < 2; i++) {
		entry->first[i] = open->position[i];
		entry->edge[i] = late ? MIDWAY_START : 0;
	}
	fill_connection(open, identity, &connection);
	conversation_open(&entry->conversation, &connection, late);
}

static void on_fail(struct connections *connections, const struct event_open *open)
{
	struct connection connection;
	uint32_t identity = 0;

	if (!connections->host.admit(connections->host.context, open, &identity))
		return;
	fill_connection(open, identity, &connection);
	outlet_connection(&connections->pipeline->outlet, &connection, CONNECTION_FAILED,
			  SESSION_NONE);
}

/* ---- data ---- */

/* The kernel side's 32 bits, near what was seen last, on our endless scale. */
static uint64_t widen(const struct entry *entry, unsigned int direction, uint32_t position)
{
	uint64_t edge = entry->edge[direction];

	return edge + (int64_t)(int32_t)(position - entry->first[direction] - (uint32_t)edge);
}

static void tell_skip(struct entry *entry, struct slot *slot, unsigned int direction)
{
	uint64_t edge = entry->edge[direction];
	uint64_t until = conversation_skips(&entry->conversation, direction);

	if (until >= edge + SKIP_LEAST) {
		if (until > edge + SKIP_MOST)
			until = edge + SKIP_MOST;
		slot->until[direction] = entry->first[direction] + (uint32_t)until;
		__atomic_store_n(&slot->skipping[direction], 1, __ATOMIC_RELEASE);
		entry->told_skip[direction] = true;
	} else if (entry->told_skip[direction]) {
		__atomic_store_n(&slot->skipping[direction], 0, __ATOMIC_RELAXED);
		entry->told_skip[direction] = false;
	}
}

/* What the conversation wants to see of the bytes to come. */
static void tell_verdict(struct entry *entry, struct slot *slot)
{
	bool searching = conversation_searches(&entry->conversation, SEARCH_TRIES);
	uint32_t limit = searching ? SEARCH_BYTES : UINT32_MAX;

	if (conversation_deaf(&entry->conversation)) {
		slot->ignore = 1;
		return;
	}
	if (slot->hurried && !entry->conversation.pair.waiting.count)
		slot->hurried = 0;
	for (unsigned int i = 0; i < 2; i++) {
		tell_skip(entry, slot, i);
		if (slot->limit[i] != limit)
			slot->limit[i] = limit;
	}
}

/* Nothing comes before its connection; what the kernel side knows by its ticks only, may seem to.
 */
static void tell_times(const struct event_data *data, uint64_t established, struct chunk *chunk)
{
	uint64_t instant = data->instant;

	if (!instant || instant > chunk->time)
		return;
	if (instant < established)
		instant = established;
	if ((data->head.direction & 1) == DIRECTION_RX)
		chunk->arrival = instant;
	else
		chunk->time = instant;
}

static void on_data(struct connections *connections, struct entry *entry,
		    const struct event_data *data)
{
	unsigned int direction = data->head.direction & 1;
	struct chunk chunk = {
		.position = widen(entry, direction, data->position),
		.time = data->head.time,
		.task = data->head.task,
		.moved = data->moved,
		.loss = data->loss,
		.bytes = { data->bytes, data->captured },
	};

	tell_times(data, entry->conversation.connection.established, &chunk);
	if (chunk.position + chunk.moved > entry->edge[direction])
		entry->edge[direction] = chunk.position + chunk.moved;
	conversation_feed(&entry->conversation, connections->pipeline, direction, &chunk);
	tell_verdict(entry, &connections->slots[entry->slot]);
	if (entry->deadline && is_whole(entry, 0))
		entry_end(connections, entry, true);
}

static void on_close(struct connections *connections, struct entry *entry,
		     const struct event_close *close)
{
	entry->closed_at = close->head.time;
	if (entry->refused || close->head.flags & EVENT_UNWATCHED) {
		entry_end(connections, entry, false);
		return;
	}
	entry->unread = close->unread;
	entry->end[DIRECTION_RX] =
		widen(entry, DIRECTION_RX, close->position[DIRECTION_RX]) + close->unread;
	entry->end[DIRECTION_TX] = widen(entry, DIRECTION_TX, close->position[DIRECTION_TX]);
	if (conversation_deaf(&entry->conversation) || is_whole(entry, 0)) {
		entry_end(connections, entry, true);
	} else {
		if (!entry->deadline)
			connections->closing++;
		entry->deadline = close->head.time + (close->unread ? PATIENCE_NS : OVERTAKEN_NS);
	}
}

static bool well_formed(const struct connections *connections, const struct event_head *record,
			size_t size)
{
	static const size_t least[] = {
		[EVENT_PROCESS] = sizeof(struct event_process),
		[EVENT_OPEN] = sizeof(struct event_open),
		[EVENT_DATA] = sizeof(struct event_data),
		[EVENT_CLOSE] = sizeof(struct event_close),
		[EVENT_FAIL] = sizeof(struct event_open),
	};
	const struct event_data *data = (const struct event_data *)record;

	if (size < sizeof(*record) || record->kind > EVENT_FAIL || !least[record->kind] ||
	    size < least[record->kind])
		return false;
	if (record->kind == EVENT_DATA &&
	    (data->captured > size - sizeof(*data) || data->captured > data->moved))
		return false;
	return record->kind == EVENT_PROCESS || record->kind == EVENT_FAIL ||
	       record->slot < connections->limit;
}

void connections_event(struct connections *connections, const struct event_head *record,
		       size_t size)
{
	struct entry *entry;

	if (!well_formed(connections, record, size)) {
		connections->counts.events[0]++;
		return;
	}
	connections->counts.events[record->kind]++;
	if (record->kind == EVENT_OPEN)
		on_open(connections, (const struct event_open *)record);
	else if (record->kind == EVENT_FAIL)
		on_fail(connections, (const struct event_open *)record);
	if (record->kind != EVENT_DATA && record->kind != EVENT_CLOSE)
		return;
	entry = connections->by_slot[record->slot];
	if (!entry || entry->generation != record->generation)
		connections->counts.stale++;
	else if (record->kind == EVENT_CLOSE)
		on_close(connections, entry, (const struct event_close *)record);
	else if (!entry->refused)
		on_data(connections, entry, (const struct event_data *)record);
}

/* ---- time ---- */

/* An end that nobody told of. */
static bool is_over(struct connections *connections, const struct entry *entry)
{
	const struct slot *slot = &connections->slots[entry->slot];

	if (entry->deadline)
		return false;
	if (slot->generation != entry->generation || slot->closed == entry->generation)
		return true;
	return entry->is_unix &&
	       !unix_sockets_open(connections->unix_sockets, entry->tgid, entry->inode);
}

static void sweep(struct connections *connections, uint64_t now)
{
	struct entry *entry, *next;

	unix_sockets_refresh(connections->unix_sockets);
	for (entry = connections->all; entry; entry = next) {
		next = entry->next;
		if (!is_over(connections, entry))
			continue;
		/* Its last records may still lie in the ring: another second. */
		entry->closed_at = now;
		entry->deadline = now + PATIENCE_NS;
		entry->end[0] = entry->end[1] = entry->is_unix ? 0 : END_UNKNOWN;
		connections->closing++;
	}
}

void connections_tick(struct connections *connections, uint64_t now)
{
	struct entry *entry, *next;

	pipeline_tick(connections->pipeline, now);
	if (connections->closing) {
		for (entry = connections->all; entry; entry = next) {
			next = entry->next;
			if (entry->deadline && entry->deadline <= now)
				entry_give_up(connections, entry);
		}
	}
	if (now - connections->swept >= SWEEP_NS) {
		connections->swept = now;
		sweep(connections, now);
	}
}
