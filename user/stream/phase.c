/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/phase.h"

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
}

/* Active while something waits, if the protocol has sessions; else as it last said. */
void phase_session_update(struct conversation *c, struct pipeline *p)
{
	bool busy = c->pair.waiting.count && c->connection.protocol &&
		    c->connection.protocol->sessions && c->base != SESSION_NONE;

	phase_session(c, p, busy ? SESSION_ACTIVE : c->base);
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
	c->inside[0] = c->inside[1] = false;
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
	c->phase = PHASE_MIDWAY;
	c->answered = false;
	c->tries = 0;
	c->unended = 0;
	c->waiting_since = 0;
	c->late = false;
	pair_forget(&c->pair, &p->outlet);
	for (int i = 0; i < 2; i++)
		flow_restart(&c->flows[i], &p->memory, c->flows[i].next);
	phase_session_update(c, p);
}
