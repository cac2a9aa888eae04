/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection carries that was open before the observer and has been silent since: what
 * others of its server carry, or else what is registered for the server's port or usual for its
 * program. A presumption is for the gauges only, and withdrawn when the connection speaks
 * otherwise.
 *
 *	a server's endpoint -> protocol: a fixed table, of two that collide the newer one stays
 */
#ifndef ONLOOKER_PRESUMPTION_H
#define ONLOOKER_PRESUMPTION_H

#include "stream/entry.h"

struct presumptions;

/* An empty table; 0 or -ENOMEM. presumptions_free() ends it. */
int presumptions_new(struct presumptions **ret);
void presumptions_free(struct presumptions *presumptions);

/*
 * Notes a connection found open: it is silent. `served`: index of the protocol that its owner's
 * program usually serves, negative where that is not known or the owner is no server.
 */
void presumption_note(struct presumptions *presumptions, struct entry *entry,
		      const struct event_open *open, int served);

/* A silent connection may have spoken: others of its server will be presumed to speak so too. */
void presumption_learn(struct presumptions *presumptions, struct entry *entry);

/* Presumes what is known by now of a silent connection; sinks are told. */
void presumption_apply(struct presumptions *presumptions, struct entry *entry,
		       struct pipeline *pipeline);

#endif
