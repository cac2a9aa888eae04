/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/presumption.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "protocol.h"
#include "stream/endpoint.h"

#define PLACES 4096 /* a power of two */

struct place {
	uint64_t endpoint;
	uint8_t protocol;
	bool heard; /* from a connection; else a hint */
};

struct presumptions {
	struct place places[PLACES];
};

int presumptions_new(struct presumptions **ret)
{
	struct presumptions *presumptions = calloc(1, sizeof(*presumptions));

	if (!presumptions)
		return -ENOMEM;
	*ret = presumptions;
	return 0;
}

void presumptions_free(struct presumptions *presumptions)
{
	free(presumptions);
}

/* The protocol registered for the server's port, as an index; -ENOENT: none. */
static int by_port(const struct event_open *open)
{
	uint16_t port = open->role == ROLE_SERVER ? open->local_port : open->remote_port;

	for (int i = 0; open->family != AF_UNIX && protocols[i]; i++) {
		if (port && protocols[i]->port == port)
			return i;
	}
	return -ENOENT;
}

static struct place *place_of(struct presumptions *presumptions, uint64_t endpoint)
{
	return &presumptions->places[(endpoint ^ endpoint >> 32) & (PLACES - 1)];
}

static void learn(struct presumptions *presumptions, uint64_t endpoint, unsigned int protocol,
		  bool heard)
{
	struct place *place = place_of(presumptions, endpoint);

	if (endpoint == ENDPOINT_NONE || (place->endpoint == endpoint && place->heard && !heard))
		return;
	*place = (struct place){ endpoint, (uint8_t)protocol, heard };
}

static int find(struct presumptions *presumptions, uint64_t endpoint)
{
	const struct place *place = place_of(presumptions, endpoint);

	return endpoint != ENDPOINT_NONE && place->endpoint == endpoint ? place->protocol : -ENOENT;
}

void presumption_note(struct presumptions *presumptions, struct entry *entry,
		      const struct event_open *open, int served)
{
	uint64_t own = endpoint_id(open, true), other = endpoint_id(open, false);
	bool server = open->role == ROLE_SERVER;
	int protocol = by_port(open);

	/* Without a path, and so without a role, Unix sockets have nothing in common. */
	if (open->family == AF_UNIX && open->role == ROLE_UNKNOWN)
		return;
	entry->silent = true;
	entry->endpoint[SERVER_HERE] = open->role == ROLE_CLIENT ? ENDPOINT_NONE : own;
	entry->endpoint[SERVER_THERE] = server ? ENDPOINT_NONE : other;
	if (protocol < 0)
		protocol = served;
	if (protocol >= 0)
		learn(presumptions, server ? own : other, protocol, false);
}

void presumption_learn(struct presumptions *presumptions, struct entry *entry)
{
	const struct conversation *c = &entry->conversation;
	bool here = c->connection.side == SIDE_SERVER;

	if (c->protocol == PROTOCOLS_MAX && !conversation_deaf(c))
		return;
	entry->silent = false;
	if (c->protocol != PROTOCOLS_MAX)
		learn(presumptions, entry->endpoint[here ? SERVER_HERE : SERVER_THERE], c->protocol,
		      true);
}

void presumption_apply(struct presumptions *presumptions, struct entry *entry,
		       struct pipeline *pipeline)
{
	int there = find(presumptions, entry->endpoint[SERVER_THERE]);
	int here = find(presumptions, entry->endpoint[SERVER_HERE]);

	if (there >= 0)
		conversation_presume(&entry->conversation, pipeline, there, SIDE_CLIENT);
	else if (here >= 0)
		conversation_presume(&entry->conversation, pipeline, here, SIDE_SERVER);
}
