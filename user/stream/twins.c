/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/twins.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "stream/endpoint.h"
#include "stream/entry.h"
#include "util/memory.h"

struct twins {
	size_t places;	/* a power of two */
	uint32_t found; /* numbers them, from 1 on */
	struct twin_place *place[];
};

static size_t table_size(size_t places)
{
	return sizeof(struct twins) + places * sizeof(struct twin_place *);
}

int twins_new(uint32_t connections, struct twins **ret)
{
	size_t places = 16;
	struct twins *twins;

	while (places < connections)
		places *= 2;
	twins = memory_take_zeroed(MEMORY_FIXED, table_size(places));
	if (!twins)
		return -ENOMEM;
	twins->places = places;
	*ret = twins;
	return 0;
}

void twins_free(struct twins *twins)
{
	if (twins)
		memory_give(MEMORY_FIXED, twins, table_size(twins->places));
}

/* ---- keys ---- */

/* Another number for each. */
static uint64_t mix(uint64_t value)
{
	return value * 0x9e3779b97f4a7c15ULL;
}

/* Of a pair of ends, in this order. */
static uint64_t address_key(uint64_t end, uint64_t other)
{
	return mix(end) + (other ^ other >> 29);
}

/* One that was accepted has been in use since, but its begin was seen. */
static void take_begin(struct twin *twin, const struct event_open *open)
{
	bool server = open->role == ROLE_SERVER;

	twin->late = open->head.flags & EVENT_LATE;
	memcpy(twin->begin, server && !twin->late ? open->position : open->begin,
	       sizeof(twin->begin));
	twin->begin[DIRECTION_TX] += !server;
}

/* The same at both ends: the client's number first. Another key for each pair. */
static uint64_t begin_key(const struct twin *twin, bool server)
{
	uint64_t client = twin->begin[server ? DIRECTION_RX : DIRECTION_TX];

	return mix(client << 32 | twin->begin[server ? DIRECTION_TX : DIRECTION_RX]);
}

/* 0: none. Of inodes only one end is the client's, so its role must be known. */
static uint64_t inode_key(const struct event_open *open)
{
	if (!(open->head.flags & EVENT_UNUSED))
		return 0;
	return mix(open->role == ROLE_CLIENT ? open->inode :
		   open->role == ROLE_SERVER ? open->peer :
					       0);
}

/* ---- the table ---- */

static struct twin_place **bucket_of(struct twins *twins, uint64_t key)
{
	return &twins->place[(key ^ key >> 32) & (twins->places - 1)];
}

static void put(struct twins *twins, struct entry *entry, enum twin_key by, uint64_t key)
{
	struct twin_place *place = &entry->twin.by[by], **bucket = bucket_of(twins, key);

	*place = (struct twin_place){ entry, *bucket, bucket, key };
	if (*bucket)
		(*bucket)->link = &place->next;
	*bucket = place;
}

static void take_out(struct twin_place *place)
{
	if (!place->link)
		return;
	*place->link = place->next;
	if (place->next)
		place->next->link = place->link;
	place->link = NULL;
}

/* Addresses are used again: two ends whose begin was seen have seen the same one. */
static bool began_together(const struct twin *one, const struct twin *other)
{
	return one->late || other->late ||
	       (one->begin[DIRECTION_RX] == other->begin[DIRECTION_TX] &&
		one->begin[DIRECTION_TX] == other->begin[DIRECTION_RX]);
}

/* An end without another that would do, or NULL. Of two servers none is the other's client. */
static struct entry *find(struct twins *twins, const struct entry *entry, enum twin_key by,
			  uint64_t key)
{
	unsigned int side = entry->conversation.connection.side;
	struct twin_place *at = *bucket_of(twins, key);

	for (; at; at = at->next) {
		const struct conversation *c = &at->entry->conversation;

		if (at->key != key || at != &at->entry->twin.by[by] || at->entry->twin.other ||
		    conversation_deaf(c) || (side && side == c->connection.side))
			continue;
		if (by == TWIN_BEGIN || began_together(&entry->twin, &at->entry->twin))
			return at->entry;
	}
	return NULL;
}

/* ---- two ends ---- */

/* What is known of one end tells the other's side. */
static void tell_sides(struct connection *one, struct connection *other)
{
	if (one->side && !other->side)
		other->side = one->side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
	else if (other->side && !one->side)
		one->side = other->side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
}

static void number(struct entry *entry, uint32_t link, unsigned int requests)
{
	entry->conversation.pair.link = link;
	entry->conversation.pair.origin = entry_narrow(entry, requests, 0);
}

/* Once it is known who asks. */
static void number_both(struct twins *twins, struct entry *one, struct entry *other)
{
	unsigned int side = one->conversation.connection.side;

	if (!side || side == other->conversation.connection.side)
		return;
	twins->found += twins->found == UINT32_MAX ? 2 : 1;
	number(one, twins->found, side == SIDE_CLIENT ? DIRECTION_TX : DIRECTION_RX);
	number(other, twins->found, side == SIDE_CLIENT ? DIRECTION_RX : DIRECTION_TX);
}

static void join(struct twins *twins, struct entry *one, struct entry *other)
{
	one->twin.other = other;
	other->twin.other = one;
	one->conversation.witnessed = other->conversation.witnessed = !one->is_unix;
	tell_sides(&one->conversation.connection, &other->conversation.connection);
	number_both(twins, one, other);
}

static struct entry *add_unix(struct twins *twins, struct entry *entry,
			      const struct event_open *open)
{
	uint64_t key = inode_key(open);
	struct entry *found;

	if (!key)
		return NULL;
	found = find(twins, entry, TWIN_BEGIN, key);
	put(twins, entry, TWIN_BEGIN, key);
	return found;
}

static struct entry *add_tcp(struct twins *twins, struct entry *entry,
			     const struct event_open *open)
{
	uint64_t end = endpoint_id(open, true), other = endpoint_id(open, false);
	struct entry *found;
	uint64_t begin;

	take_begin(&entry->twin, open);
	begin = begin_key(&entry->twin, open->role == ROLE_SERVER);
	found = find(twins, entry, TWIN_BEGIN, begin);
	if (!found)
		found = find(twins, entry, TWIN_ADDRESS, address_key(other, end));
	put(twins, entry, TWIN_BEGIN, begin);
	put(twins, entry, TWIN_ADDRESS, address_key(end, other));
	return found;
}

void twins_add(struct twins *twins, struct entry *entry, const struct event_open *open)
{
	struct entry *found = open->family == AF_UNIX ? add_unix(twins, entry, open) :
							add_tcp(twins, entry, open);

	if (found)
		join(twins, entry, found);
}

static void leave(struct entry *entry)
{
	struct entry *other = entry->twin.other;

	if (!other)
		return;
	other->twin.other = entry->twin.other = NULL;
	other->conversation.witnessed = entry->conversation.witnessed = false;
}

void twins_part(struct entry *entry)
{
	if (!entry->twin.other)
		return;
	entry->conversation.pair.link = entry->twin.other->conversation.pair.link = 0;
	leave(entry);
}

void twins_remove(struct entry *entry)
{
	leave(entry);
	for (unsigned int i = 0; i < TWIN_KEYS; i++)
		take_out(&entry->twin.by[i]);
}

static void witness(struct entry *server, struct entry *client, struct pipeline *pipeline)
{
	uint64_t settled[2], anchor[2];

	if (server->conversation.phase == PHASE_MIDWAY || server->conversation.pair.muted)
		conversation_forsake(&client->conversation, pipeline);
	if (!client->conversation.pair.muted ||
	    !conversation_settled(&server->conversation, settled))
		return;
	for (unsigned int i = 0; i < 2; i++)
		anchor[!i] = entry_widen(client, !i, entry_narrow(server, i, settled[i]));
	conversation_anchor(&client->conversation, anchor);
}

void twins_witness(struct twins *twins, struct entry *entry, struct pipeline *pipeline)
{
	struct entry *other = entry->twin.other;

	if (!other)
		return;
	if (conversation_deaf(&entry->conversation) || conversation_deaf(&other->conversation)) {
		twins_part(entry);
		return;
	}
	if (!entry->conversation.pair.link)
		number_both(twins, entry, other);
	if (entry->conversation.connection.side == SIDE_SERVER && !entry->is_unix)
		witness(entry, other, pipeline);
}
