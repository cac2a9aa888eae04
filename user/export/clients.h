/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to the endpoint, so that nobody holds a place in it for long:
 *
 *	clients_add()          clients_answer()
 *	     |                        |
 *	[ asking ] ------------> [ reading ]        each until its deadline, or until somebody
 *	     ^                        |             newer needs the place: those who ask first,
 *	     +---- clients_done() ----+             the longest first
 *
 * A client that is cut loses what was not sent yet; its connection ends by clients_remove().
 */
#ifndef ONLOOKER_CLIENTS_H
#define ONLOOKER_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_PLACES 128
#define CLIENTS_MOST \
	96 /* not cut: the rest of the places is for those that are, and still there \
	    */

struct client {
	int fd; /* the endpoint's own */
	bool used, reading, cut;
	uint64_t since; /* in this state, ns */
};

struct clients {
	struct client places[CLIENTS_PLACES];
	size_t count; /* used and not cut */
};

/* A new connection; the one that has to go for it is cut. NULL: no place. Good until its end. */
struct client *clients_add(struct clients *clients, int fd, uint64_t now);

/* Its connection is about to be closed; what lies unread for long is dropped. NULL is fine. */
void clients_remove(struct clients *clients, struct client *client, uint64_t now);

/* Its request is there and gets its answer; its answer is on its way. NULL is fine. */
void clients_answer(struct client *client, uint64_t now);
void clients_done(struct client *client, uint64_t now);

/* Cuts those whose time is over. When the next one's is, ns; UINT64_MAX: nobody's. */
uint64_t clients_expire(struct clients *clients, uint64_t now);

#endif
