/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "stream/closing.h"
#include "stream/duet.h"
#include "stream/peer.h"
#include "stream/presumption.h"
#include "stream/record.h"
#include "stream/twins.h"
#include "stream/unix_sockets.h"
#include "stream/verdict.h"
#include "util/clock.h"

#define UNREAD_NS NSEC_PER_SEC		   /* for bytes that nobody has read yet */
#define OVERTAKEN_NS (300 * NSEC_PER_MSEC) /* for records that a close, or a note, has overtaken */
#define SWEEP_NS NSEC_PER_SEC
#define ENTRIES_KEPT 256

struct connections {
	struct entry **by_slot;
	struct entry *all;
	struct pool pool; /* of entries */
	struct slot *slots;
	struct pipeline *pipeline;
	struct connections_host host;
	struct unix_sockets *unix_sockets;
	struct presumptions *presumptions;
	struct twins *twins;
	struct connections_counts counts;
	uint32_t limit;
	uint32_t closing;
	uint64_t swept;
	uint64_t ticked; /* all records up to then have been read, or are lost */
};

static void look(void *context, struct conversation *conversation);
static void part(void *context, struct conversation *conversation);

int connections_new(uint32_t limit, struct slot *slots, struct pipeline *pipeline,
		    const struct connections_host *host, struct connections **ret)
{
	struct connections *connections = calloc(1, sizeof(*connections));

	if (!connections)
		return -ENOMEM;
	connections->by_slot =
		memory_take_zeroed(MEMORY_FIXED, limit * sizeof(*connections->by_slot));
	connections->limit = limit;
	if (!connections->by_slot || unix_sockets_new(&connections->unix_sockets) ||
	    presumptions_new(&connections->presumptions) || twins_new(limit, &connections->twins)) {
		connections_free(connections);
		return -ENOMEM;
	}
	pool_init(&connections->pool, MEMORY_CONNECTIONS, sizeof(struct entry), limit,
		  ENTRIES_KEPT);
	connections->slots = slots;
	connections->pipeline = pipeline;
	connections->host = *host;
	pipeline->look = look;
	pipeline->part = part;
	pipeline->context = connections;
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
	twins_remove(entry);
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
	if (!whole)
		conversation_lose(&entry->conversation, connections->pipeline);
	if (entry->unread && entry->edge[DIRECTION_RX] < entry->end[DIRECTION_RX])
		entry->conversation.torn[DIRECTION_RX] = true;
	conversation_close(&entry->conversation, connections->pipeline, entry->closed_at);
	entry_forget(connections, entry);
}

void connections_free(struct connections *connections)
{
	if (!connections)
		return;
	while (connections->all) {
		struct entry *entry = connections->all;

		connections->all = entry->next;
		conversation_free(&entry->conversation, connections->pipeline);
		pool_give(&connections->pool, entry);
	}
	unix_sockets_free(connections->unix_sockets);
	presumptions_free(connections->presumptions);
	twins_free(connections->twins);
	pool_free(&connections->pool);
	memory_give(MEMORY_FIXED, connections->by_slot,
		    connections->limit * sizeof(*connections->by_slot));
	free(connections);
}

/* It has been waited long enough for what the end overtook. */
static void entry_give_up(struct connections *connections, struct entry *entry)
{
	/* Nobody tells where a Unix socket's streams end: all that there was has come. */
	if (entry->is_unix && entry->end[DIRECTION_RX] == CLOSING_UNKNOWN)
		entry->end[DIRECTION_RX] = entry->end[DIRECTION_TX] = 0;
	entry_end(connections, entry,
		  closing_fill(entry, connections->pipeline, connections->slots));
}

/* ---- the beginning ---- */

static void fill_connection(const struct event_open *open, uint32_t identity,
			    struct connection *ret)
{
	bool late = open->head.flags & EVENT_LATE;

	*ret = (struct connection){
		.identity = identity,
		.tgid = open->head.tgid,
		.process = open->process,
		.peer = peer_name(open, identity),
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

static enum beginning beginning_of(const struct event_open *open)
{
	if (open->head.flags & EVENT_QUIET)
		return BEGINNING_QUIET;
	if (open->head.flags & EVENT_LATE && !(open->head.flags & EVENT_UNUSED))
		return BEGINNING_MIDWAY;
	return BEGINNING_SEEN;
}

static int served(const struct connections *connections, const struct event_open *open)
{
	if (open->role != ROLE_SERVER)
		return -ENOENT;
	return connections->host.serves(connections->host.context, open);
}

/* Not watched after all, or no memory: with another generation the kernel side forgets it, too. */
static void refuse(struct connections *connections, uint32_t slot)
{
	connections->slots[slot].generation++;
	connections->host.release(connections->host.context, slot);
}

static void on_open(struct connections *connections, const struct event_open *open)
{
	bool late = open->head.flags & EVENT_LATE;
	uint64_t position = late ? MIDWAY_START : 0;
	struct connection connection;
	uint32_t identity = 0;
	struct entry *entry;

	/* The last tenant's end was lost: its slot has been taken all the same. */
	entry = connections->by_slot[open->head.slot];
	if (entry) {
		twins_part(entry);
		entry_end(connections, entry, false);
	}
	entry = connections->host.admit(connections->host.context, open, &identity) ?
			entry_new(connections, open) :
			NULL;
	if (!entry) {
		refuse(connections, open->head.slot);
		return;
	}
	for (int i = 0; i < 2; i++) {
		entry->first[i] = open->position[i];
		entry->edge[i] = position;
	}
	fill_connection(open, identity, &connection);
	conversation_open(&entry->conversation, &connection, beginning_of(open), position);
	twins_add(connections->twins, entry, open);
	/* A new Unix socket is told of by its first call: it will not be silent. */
	if (late && !(entry->is_unix && open->head.flags & EVENT_UNUSED))
		presumption_note(connections->presumptions, entry, open, served(connections, open));
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

/* The bytes of one end may be what the other has waited for. */
static void look_at_twin(struct connections *connections, struct entry *entry,
			 unsigned int direction)
{
	const struct conversation *c = &entry->conversation;
	struct entry *other = entry->twin.other;

	if (!c->duet) {
		twins_witness(connections->twins, entry, connections->pipeline);
		if (entry->twin.other &&
		    (c->connection.side == SIDE_CLIENT) == (direction == DIRECTION_RX))
			duet_try(entry, connections->pipeline);
	}
	/* Or a duet no more: it carries nothing of ours. */
	if (c->duet || !connections->slots[other->slot].limit[DIRECTION_RX])
		verdict_tell(other, &connections->slots[other->slot]);
	if (other->deadline && closing_whole(other))
		entry_end(connections, other, true);
}

static struct entry *entry_of(struct conversation *conversation)
{
	return (struct entry *)((char *)conversation - offsetof(struct entry, conversation));
}

/* For the pipeline: a duet no more, so what it reads is wanted again, and at once. */
static void part(void *context, struct conversation *conversation)
{
	struct connections *connections = context;
	struct entry *entry = entry_of(conversation);
	struct slot *slot = &connections->slots[entry->slot];

	if (slot->generation != entry->generation)
		return;
	entry->relayed = !slot->limit[DIRECTION_RX] && entry->twin.other &&
			 conversation->connection.side == SIDE_SERVER;
	verdict_tell(entry, slot);
}

/*
 * For the pipeline: it will be told once more, which does no harm. What was read before may still
 * lie in the ring: then the note has to wait for its turn, however long the reader takes, but not
 * for a record that was lost.
 */
static void look(void *context, struct conversation *conversation)
{
	struct connections *connections = context;
	struct entry *entry = entry_of(conversation);
	const struct slot *slot = &connections->slots[entry->slot];
	struct read_note note;

	if (!connections->host.noted ||
	    !connections->host.noted(connections->host.context, entry->slot, &note) ||
	    slot->generation != entry->generation)
		return;
	if (entry_widen(entry, DIRECTION_RX, note.position) > entry->edge[DIRECTION_RX] &&
	    connections->ticked < note.time + OVERTAKEN_NS)
		return;
	record_note(entry, connections->pipeline, &note);
}

static void on_data(struct connections *connections, struct entry *entry,
		    const struct event_data *data)
{
	unsigned int direction = data->head.direction & 1;

	record_data(entry, connections->pipeline, data);
	if (entry->silent)
		presumption_learn(connections->presumptions, entry);
	if (entry->twin.other)
		look_at_twin(connections, entry, direction);
	verdict_tell(entry, &connections->slots[entry->slot]);
	if (entry->deadline && closing_whole(entry))
		entry_end(connections, entry, true);
	else if (entry->deadline && entry->unread)
		entry->deadline = data->head.time + UNREAD_NS;
}

static void on_close(struct connections *connections, struct entry *entry,
		     const struct event_close *close)
{
	if (close->read.moved)
		record_note(entry, connections->pipeline, &close->read);
	entry->closed_at = close->head.time;
	if (close->head.flags & EVENT_UNWATCHED) {
		twins_part(entry);
		entry_end(connections, entry, false);
		return;
	}
	closing_learn(entry, close);
	for (unsigned int i = 0; i < 2; i++)
		entry->conversation.torn[i] = close->head.flags & EVENT_TORN << i;
	if (conversation_deaf(&entry->conversation) || closing_whole(entry)) {
		entry_end(connections, entry, true);
	} else {
		if (!entry->deadline)
			connections->closing++;
		entry->deadline = close->head.time + (close->unread ? UNREAD_NS : OVERTAKEN_NS);
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
	else
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
		if (entry->silent)
			presumption_apply(connections->presumptions, entry, connections->pipeline);
		if (!is_over(connections, entry))
			continue;
		/* Its last records may still lie in the ring: another second. */
		entry->closed_at = now;
		entry->deadline = now + UNREAD_NS;
		entry->end[0] = entry->end[1] = CLOSING_UNKNOWN;
		connections->closing++;
	}
}

void connections_tick(struct connections *connections, uint64_t now)
{
	struct entry *entry, *next;

	connections->ticked = now;
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
