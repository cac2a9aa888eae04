/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/twins.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "stream/endpoint.h"
#include "stream/entry.h"
#include "util/memory.h"

struct twins {
	size_t places;	/* a power of two */
	uint32_t found; /* numbers them, from 1 on */
	struct entry *place[];
};

static size_t table_size(size_t places)
{
	return sizeof(struct twins) + places * sizeof(struct entry *);
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

/* A number for a pair of ends, in this order. */
static uint64_t key_of(uint64_t end, uint64_t other)
{
	return end * 0x9e3779b97f4a7c15ULL + (other ^ other >> 29);
}

static struct entry **place_of(struct twins *twins, uint64_t key)
{
	return &twins->place[(key ^ key >> 32) & (twins->places - 1)];
}

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

void twins_add(struct twins *twins, struct entry *entry, const struct event_open *open)
{
	uint64_t end, other, wanted;
	struct entry **place, *found;

	/* The two ends of a Unix socket number their bytes each for itself. */
	if (open->family == AF_UNIX)
		return;
	end = endpoint_id(open, true);
	other = endpoint_id(open, false);
	wanted = key_of(other, end);
	found = *place_of(twins, wanted);
	while (found && (found->twin.key != wanted || found->twin.other ||
			 conversation_deaf(&found->conversation)))
		found = found->twin.next;
	if (found) {
		found->twin.other = entry;
		entry->twin.other = found;
		found->conversation.witnessed = entry->conversation.witnessed = true;
		tell_sides(&found->conversation.connection, &entry->conversation.connection);
		number_both(twins, entry, found);
	}
	entry->twin.key = key_of(end, other);
	place = place_of(twins, entry->twin.key);
	entry->twin.next = *place;
	entry->twin.link = place;
	if (*place)
		(*place)->twin.link = &entry->twin.next;
	*place = entry;
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
	if (!entry->twin.link)
		return;
	leave(entry);
	*entry->twin.link = entry->twin.next;
	if (entry->twin.next)
		entry->twin.next->twin.link = entry->twin.link;
	entry->twin.link = NULL;
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
	if (entry->conversation.connection.side == SIDE_SERVER)
		witness(entry, other, pipeline);
}
