/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/duet.h"
#include "stream/phase.h"

#define BLIND_REQUESTS 1024 /* that are followed at most */

/* ---- pending: conversations that a tick may have to decide ---- */

void phase_await(struct conversation *c, struct pipeline *p)
{
	if (c->link_pending)
		return;
	c->next_pending = p->pending;
	c->link_pending = &p->pending;
	if (p->pending)
		p->pending->link_pending = &c->next_pending;
	p->pending = c;
}

void phase_settle(struct conversation *c)
{
	if (!c->link_pending)
		return;
	*c->link_pending = c->next_pending;
	if (c->next_pending)
		c->next_pending->link_pending = c->link_pending;
	c->link_pending = NULL;
	c->next_pending = NULL;
}

/* ---- what sinks are told ---- */

void phase_announce(struct conversation *c, struct pipeline *p)
{
	if (c->announced)
		return;
	c->announced = true;
	outlet_connection(&p->outlet, &c->connection, CONNECTION_OPENED, SESSION_NONE);
}

void phase_session(struct conversation *c, struct pipeline *p, enum session_state session)
{
	enum session_state before = c->connection.session;

	if (session == before)
		return;
	c->connection.session = session;
	outlet_connection(&p->outlet, &c->connection, CONNECTION_SESSION, before);
	if (c->duet && c->duet->server == c && c->duet->client)
		phase_session(c->duet->client, p, session);
}

/* Active while something waits, if the protocol has sessions; else as it last said. */
void phase_session_update(struct conversation *c, struct pipeline *p)
{
	bool busy = c->pair.waiting.count && !c->blind && c->connection.protocol &&
		    c->connection.protocol->sessions && c->base != SESSION_NONE;

	phase_session(c, p, busy ? SESSION_ACTIVE : c->base);
}

/* It was presumed to be what it is not. */
static void retract(struct conversation *c, struct pipeline *p)
{
	c->base = SESSION_NONE;
	phase_session(c, p, SESSION_NONE);
	outlet_connection(&p->outlet, &c->connection, CONNECTION_CLOSED, SESSION_NONE);
	c->connection.protocol = NULL;
	c->announced = false;
}

static bool is_presumed(const struct conversation *c)
{
	return c->protocol == PROTOCOLS_MAX && c->connection.protocol;
}

void conversation_presume(struct conversation *c, struct pipeline *p, unsigned int protocol,
			  enum side side)
{
	if (c->announced || c->phase == PHASE_DEAF || c->protocol != PROTOCOLS_MAX)
		return;
	if (!c->connection.side)
		c->connection.side = side;
	c->connection.protocol = protocols[protocol];
	c->base = SESSION_IDLE;
	phase_announce(c, p);
	phase_session_update(c, p);
}

/* ---- phases ---- */

void phase_drop_state(struct conversation *c, struct pipeline *p)
{
	if (c->state)
		pool_give(&p->states[c->protocol], c->state);
	c->state = NULL;
}

void phase_deaf(struct conversation *c, struct pipeline *p)
{
	if (c->duet)
		duet_deafen(c->duet, p);
	if (is_presumed(c))
		retract(c, p);
	c->phase = PHASE_DEAF;
	phase_settle(c);
	pair_forget(&c->pair, &p->outlet);
	phase_session_update(c, p);
	for (int i = 0; i < 2; i++)
		flow_free(&c->flows[i], &p->memory);
	phase_drop_state(c, p);
	phase_announce(c, p);
}

bool phase_speaking(struct conversation *c, struct pipeline *p, unsigned int protocol, bool midway)
{
	const struct protocol *ops = protocols[protocol];

	if (is_presumed(c) && c->connection.protocol != ops)
		retract(c, p);
	if (c->protocol != protocol)
		phase_drop_state(c, p);
	if (!c->state)
		c->state = pool_take(&p->states[protocol]);
	if (!c->state) {
		phase_deaf(c, p);
		return false;
	}
	memset(c->state, 0, ops->state_size);
	ops->init(c->state, midway);
	c->protocol = protocol;
	c->connection.protocol = ops;
	c->phase = PHASE_SPEAKING;
	c->late = false;
	c->inside[0] = c->inside[1] = INSIDE_NOTHING;
	c->pair.muted = midway;
	c->pair.holds = c->at_rest;
	c->blind = midway && !c->at_rest && phase_witnessed(c);
	c->doubt = midway && !c->blind ? DOUBT_TURNS : 0;
	c->answered = c->anchored = false;
	c->tries = 0;
	phase_announce(c, p);
	/* Where sessions are announced by the protocol, a new one is not open yet. */
	if (c->base == SESSION_NONE && (midway || !ops->sessions))
		c->base = SESSION_IDLE;
	phase_session_update(c, p);
	return true;
}

/* Bytes are missing, or make no sense: what waits can no longer be told from what was answered. */
void phase_midway(struct conversation *c, struct pipeline *p)
{
	if (c->duet && !duet_outlived(c)) {
		duet_break(c->duet, p);
		return;
	}
	c->phase = PHASE_MIDWAY;
	c->answered = c->at_rest = c->blind = c->anchored = false;
	c->doubt = 0;
	c->tries = 0;
	c->unended = 0;
	c->waiting_since = 0;
	c->late = false;
	pair_forget(&c->pair, &p->outlet);
	c->pair.muted = false;
	for (int i = 0; i < 2; i++)
		flow_restart(&c->flows[i], &p->memory, c->flows[i].next);
	phase_session_update(c, p);
}

void phase_run(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	bool moved = true;

	for (bool first = true; moved; first = false) {
		const struct flow *flow = &c->flows[direction];
		const struct flow *other = &c->flows[!direction];
		uint64_t parsed = flow->parsed;

		if (c->phase == PHASE_FRESH)
			detect_fresh(c, p, direction);
		else if (c->phase == PHASE_MIDWAY)
			detect_midway(c, p, direction);
		if (c->phase != PHASE_SPEAKING)
			return;
		if (lane_of(c, direction) == LANE_RESPONSE) {
			if (c->blind && !trial_see(c, p, direction))
				return;
			c->waiting_since = 0;
		}
		parse_lane(c, p, direction);
		if (c->blind)
			pair_keep_newest(&c->pair, &p->outlet, BLIND_REQUESTS);
		moved = other->view.size && (first || flow->parsed != parsed);
		direction = !direction;
	}
}
