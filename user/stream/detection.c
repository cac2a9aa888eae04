/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "stream/phase.h"
#include "stream/preamble.h"

#define DETECT_BYTES 8192   /* after as many bytes a protocol must have shown itself */
#define FOREIGN_BYTES 16384 /* of a server that speaks first, and goes on */
#define FOREIGN_MOST (256 * 1024)
#define MIDWAY_TRIES 16384 /* chunks in which no message began */
#define CERTAIN 50	   /* detect(): from here on it is believed */

/* The protocol that `view` is, -EAGAIN while more bytes could tell, -ENOENT when it is none. */
static int detect(const struct conversation *c, struct bytes view, enum lane lane, bool midway)
{
	int best = -ENOENT;
	int score = CERTAIN - 1;

	for (int i = 0; protocols[i]; i++) {
		int result;

		if (c->protocol != PROTOCOLS_MAX && midway && c->protocol != i)
			continue;
		result = protocols[i]->detect(view, lane, midway);
		if (result == -EAGAIN && best < 0)
			best = -EAGAIN;
		if (result > score) {
			score = result;
			best = i;
		}
	}
	return best;
}

/*
 * A server that speaks first. What it answers may be read by another thread than the one whose call
 * that sent the request has yet to return.
 */
static bool is_foreign(const struct flow *flow)
{
	uint64_t first = flow_mark(flow, flow->parsed)->time;
	uint64_t newest = flow_mark(flow, UINT64_MAX)->time;

	return flow->view.size > FOREIGN_BYTES &&
	       (flow->view.size > FOREIGN_MOST || newest > first + PATIENCE_NS);
}

/* Who asks is the client, where that was not known. */
static void learn_side(struct conversation *c, unsigned int direction)
{
	if (!c->connection.side)
		c->connection.side = direction == DIRECTION_TX ? SIDE_CLIENT : SIDE_SERVER;
}

/*
 * The first bytes of a client, behind what a load balancer has put in front of them. The protocol,
 * or as detect().
 */
static int detect_client(struct conversation *c, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	ssize_t size;

	while ((size = preamble_size(flow->view)) > 0) {
		learn_side(c, direction);
		flow_consume(flow, size);
	}
	return size || !flow->view.size ? -EAGAIN : detect(c, flow->view, LANE_REQUEST, false);
}

/*
 * A new stream: the first bytes of the request lane tell; answers are held back until then. Of two
 * sockets that were made as a pair, or are both bound, who asks is the client.
 */
void detect_fresh(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	bool answers = lane_of(c, direction) == LANE_RESPONSE;
	int found = -ENOENT;

	if (!flow->view.size)
		return;
	if (!answers || !c->connection.side)
		found = detect_client(c, direction);
	if (found >= 0) {
		learn_side(c, direction);
		phase_speaking(c, p, found, false);
	} else if (answers ? is_foreign(flow) :
			     found != -EAGAIN || flow->view.size >= DETECT_BYTES) {
		phase_deaf(c, p);
	}
}

/* Which side this end is on is not known: the bytes of either hypothesis tell. */
static bool guess_side(struct conversation *c, struct bytes view, unsigned int direction)
{
	bool sent = direction == DIRECTION_TX;

	if (detect(c, view, LANE_REQUEST, true) >= 0)
		c->connection.side = sent ? SIDE_CLIENT : SIDE_SERVER;
	else if (detect(c, view, LANE_RESPONSE, true) >= 0)
		c->connection.side = sent ? SIDE_SERVER : SIDE_CLIENT;
	return c->connection.side != 0;
}

/*
 * A stream in mid-life. Chunks are looked at one by one: programs write whole messages. Pairing
 * begins with a request after a rest, or on trial with one that follows an answer, or blindly.
 */
void detect_midway(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	struct bytes view = flow->view;
	int found = -ENOENT;

	if (!view.size)
		return;
	if (!c->connection.side)
		guess_side(c, view, direction);
	if (c->connection.side && lane_of(c, direction) == LANE_RESPONSE) {
		c->answered = true;
		c->at_rest = false;
	} else if (c->connection.side) {
		found = detect(c, view, LANE_REQUEST, true);
		if (found >= 0)
			c->tries = 0;
		if (found >= 0 && (c->answered || c->at_rest || phase_witnessed(c))) {
			phase_speaking(c, p, found, true);
			return;
		}
		if (found == -EAGAIN && (c->answered || c->at_rest) && view.size < DETECT_BYTES)
			return;
		c->answered = c->at_rest = false;
	}
	flow_restart(flow, &p->memory, flow->next);
	if (c->tries < MIDWAY_TRIES)
		c->tries++;
	else if (!c->connection.protocol)
		phase_deaf(c, p);
}
