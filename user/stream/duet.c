/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/duet.h"

#include "stream/phase.h"

/* ---- the beginning ---- */

/* Nothing is under way, and nothing is in doubt. */
static bool stands_still(const struct conversation *c)
{
	if (c->phase != PHASE_SPEAKING || c->pair.muted || c->doubt || !pair_idle(&c->pair) ||
	    c->pair.held.first || c->unended || c->waiting_since)
		return false;
	for (int i = 0; i < 2; i++) {
		const struct flow *flow = &c->flows[i];

		if (c->inside[i] || flow->ahead || flow->view.size || flow->parsed != flow->next)
			return false;
	}
	return true;
}

/* The kernel side numbers the bytes at both ends alike. */
static bool at_one_place(const struct entry *client, const struct entry *server)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (entry_narrow(client, i, client->conversation.flows[i].next) !=
		    entry_narrow(server, !i, server->conversation.flows[!i].next))
			return false;
	}
	return true;
}

/*
 * The server's end stands still and the client's is at the same place: so nothing is under way, and
 * what the client's end may believe otherwise is wrong.
 */
static bool may_follow(const struct conversation *c)
{
	if (c->phase != PHASE_SPEAKING && c->phase != PHASE_MIDWAY)
		return false;
	for (int i = 0; i < 2; i++) {
		if (!c->flows[i].started || c->flows[i].ahead)
			return false;
	}
	return true;
}

static void follow(struct conversation *client, const struct conversation *server,
		   struct pipeline *p)
{
	if (client->phase == PHASE_SPEAKING && pair_idle(&client->pair))
		pair_unmute(&client->pair, &p->outlet);
	phase_midway(client, p);
	client->phase = PHASE_FOLLOWED;
	client->inside[0] = client->inside[1] = INSIDE_NOTHING;
	client->base = server->base;
	phase_session(client, p, server->connection.session);
	phase_settle(client);
	phase_drop_state(client, p);
}

static void begin(struct duet *duet, struct conversation *server, struct conversation *client,
		  struct pipeline *p)
{
	follow(client, server, p);
	*duet = (struct duet){ .server = server, .client = client };
	duet->ends.client = &client->connection;
	duet->ends.arrived = server->pair.waiting.pushed;
	for (unsigned int i = 0; i < 2; i++)
		duet->offset[lane_of(client, i)] = server->flows[!i].next - client->flows[i].next;
	server->duet = client->duet = duet;
	server->pair.ends = &duet->ends;
}

void duet_try(struct entry *entry, struct pipeline *p)
{
	bool client_here = entry->conversation.connection.side == SIDE_CLIENT;
	struct entry *client = client_here ? entry : entry->twin.other;
	struct entry *server = client_here ? entry->twin.other : entry;
	struct conversation *c = &client->conversation, *s = &server->conversation;
	struct duet *duet;

	/* Their ends count the bytes each for itself, as far as calls are told of. */
	if (entry->is_unix)
		return;
	if (c->connection.side != SIDE_CLIENT || s->connection.side != SIDE_SERVER || c->alone ||
	    c->protocol != s->protocol || !may_follow(c) || !stands_still(s) ||
	    !at_one_place(client, server))
		return;
	duet = pool_take(&p->duets);
	if (duet)
		begin(duet, s, c, p);
}

/* The client's end is for itself again; its flows have not moved since the duet began. */
static void begin_anew(struct conversation *client, struct pipeline *p)
{
	phase_midway(client, p);
	flow_reset(&client->flows[0], &p->memory);
	flow_reset(&client->flows[1], &p->memory);
}

/* ---- chunks ---- */

/*
 * The messages of a direction that were seen whole end here: the rest of the one at hand may be
 * known by its length, and yet be still to come.
 */
static uint64_t whole_up_to(const struct conversation *server, unsigned int direction)
{
	return server->inside[direction] ? server->begun[direction].position :
					   server->flows[direction].parsed;
}

static void take_times(struct duet *duet, struct pipeline *p, bool client,
		       const struct chunk *chunk)
{
	uint64_t offset = client ? duet->offset[LANE_RESPONSE] : 0;
	struct reading reading = {
		.position = chunk->position + offset,
		.end = chunk->position + chunk->moved + offset,
		.time = chunk->time,
		.arrival = chunk->arrival,
	};
	struct conversation *server = duet->server;

	if (!client)
		ends_server_read(&duet->ends, &server->pair.waiting, &reading,
				 whole_up_to(server, DIRECTION_RX));
	else
		ends_client_read(&duet->ends, &p->outlet, &reading,
				 server ? whole_up_to(server, DIRECTION_TX) : UINT64_MAX);
}

bool duet_outlived(const struct conversation *c)
{
	return c->duet && !c->duet->server && c->phase != PHASE_FOLLOWED;
}

/*
 * The server's end is over, but the client goes on asking: with what the other has left to it. The
 * duet stays for what the client has yet to read.
 */
static void take_over(struct conversation *client, struct pipeline *p)
{
	if (client->state)
		client->phase = PHASE_SPEAKING;
	else
		begin_anew(client, p);
}

static void take_request(struct entry *entry, struct pipeline *p, const struct chunk *chunk)
{
	struct conversation *client = &entry->conversation;
	struct conversation *server = client->duet->server;
	struct chunk sent = *chunk;

	sent.position += client->duet->offset[LANE_REQUEST];
	if (sent.hopped)
		sent.hopped += client->duet->offset[LANE_REQUEST];
	conversation_feed(server, p, DIRECTION_RX, &sent);
	/* What it sends cannot be had where it is sent, but perhaps where it is read. */
	if (!client->duet && chunk->loss)
		client->alone = true;
}

void duet_feed(struct entry *entry, struct pipeline *p, unsigned int direction,
	       const struct chunk *chunk)
{
	struct conversation *c = &entry->conversation;
	struct duet *duet = c->duet;
	bool client = c == duet->client;

	if (direction == DIRECTION_RX)
		take_times(duet, p, client, chunk);
	if (client && direction == DIRECTION_TX && duet->server) {
		take_request(entry, p, chunk);
		return;
	}
	if (direction == DIRECTION_TX && c->phase == PHASE_FOLLOWED)
		take_over(c, p);
	if (direction == DIRECTION_TX || duet_outlived(c))
		conversation_feed(c, p, direction, chunk);
}

static bool client_awaits(const struct duet *duet)
{
	return duet->client && duet->ends.unread.first;
}

static bool server_awaits(const struct duet *duet)
{
	const struct queue *waiting = duet->server ? &duet->server->pair.waiting : NULL;

	return waiting && waiting->count && duet->ends.arrived < waiting->pushed;
}

bool duet_awaits(const struct conversation *c)
{
	return c->duet && (client_awaits(c->duet) || server_awaits(c->duet));
}

void duet_look(struct conversation *c, struct pipeline *p)
{
	struct duet *duet = c->duet;

	if (!duet)
		return;
	if (server_awaits(duet))
		p->look(p->context, duet->server);
	if (client_awaits(duet))
		p->look(p->context, duet->client);
}

/*
 * A lane is told of up to `edge`, or nobody has to: of what is skipped there is no record, nor of
 * the begin of a head where the sender's skip may move on.
 */
static bool is_known(const struct conversation *server, unsigned int direction,
		     const struct entry *sender, uint64_t edge, uint64_t end)
{
	uint64_t begun = entry_cut_most(sender, DIRECTION_TX);

	return edge >= end || conversation_skips(server, direction) + begun >= end;
}

bool duet_whole(const struct entry *entry, uint64_t end)
{
	const struct conversation *c = &entry->conversation;
	const struct entry *other = entry->twin.other;

	if (!c->duet || !c->duet->server || !c->duet->client || !other)
		return true;
	if (c->phase == PHASE_FOLLOWED)
		return is_known(c->duet->server, DIRECTION_TX, other, other->edge[DIRECTION_TX],
				end + c->duet->offset[LANE_RESPONSE]);
	return is_known(c, DIRECTION_RX, other,
			other->edge[DIRECTION_TX] + c->duet->offset[LANE_REQUEST], end);
}

/* ---- the end ---- */

static void unlink_ends(struct duet *duet, struct pipeline *p)
{
	held_end(&duet->ends.unread, &p->outlet, false);
	if (duet->server) {
		duet->server->duet = NULL;
		duet->server->pair.ends = NULL;
	}
	if (duet->client) {
		duet->client->duet = NULL;
		if (duet->server)
			duet->client->base = duet->server->base;
	}
	pool_give(&p->duets, duet);
}

void duet_break(struct duet *duet, struct pipeline *p)
{
	struct conversation *server = duet->server, *client = duet->client;

	unlink_ends(duet, p);
	if (client) {
		begin_anew(client, p);
		p->part(p->context, client);
	}
	if (server) {
		phase_midway(server, p);
		p->part(p->context, server);
	}
}

void duet_deafen(struct duet *duet, struct pipeline *p)
{
	struct conversation *client = duet->client;

	ends_settle(&duet->ends, &p->outlet);
	unlink_ends(duet, p);
	if (client)
		phase_deaf(client, p);
}

/* The client's end keeps what it needs should it go on. */
static void leave_to_client(struct conversation *server, struct conversation *client,
			    const uint64_t offset[2])
{
	if (offset[0] || offset[1] || server->phase != PHASE_SPEAKING)
		return;
	client->state = server->state;
	server->state = NULL;
	client->base = server->base;
	client->late = client->blind = client->anchored = false;
	for (unsigned int i = 0; i < 2; i++) {
		client->inside[i] = server->inside[!i];
		client->begun[i] = server->begun[!i];
		client->flows[i] = server->flows[!i];
		memset(&server->flows[!i], 0, sizeof(server->flows[!i]));
	}
}

void duet_leave(struct conversation *c, struct pipeline *p)
{
	struct duet *duet = c->duet;
	bool server = c == duet->server;

	if (server && duet->client)
		leave_to_client(c, duet->client, duet->offset);
	if (server) {
		duet->server = NULL;
	} else {
		held_end(&duet->ends.unread, &p->outlet, false);
		duet->client = NULL;
	}
	c->duet = NULL;
	c->pair.ends = NULL;
	duet->ends.client = duet->client ? duet->ends.client : NULL;
	if (server && client_awaits(duet))
		phase_await(duet->client, p);
	if (!duet->server && !duet->client)
		pool_give(&p->duets, duet);
}
