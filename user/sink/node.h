/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange that is kept until its trace is complete: a request that was served, or a call, made
 * of somebody else. Together they are a tree: below a request the calls that were made for it,
 * below a call the request as its server, watched too, saw it.
 *
 *	request -+- call (SELECT)
 *	         +- call (GET)
 *	         '- call (HTTP) --- request (of another process) -+- call
 *	                                                          '- call
 */
#ifndef ONLOOKER_NODE_H
#define ONLOOKER_NODE_H

#include "event.h"
#include "exchange.h"
#include "span.h"
#include "util/list.h"
#include "util/pool.h"
#include "util/trace_context.h"

#define NODES_LIMIT 32768
#define NODE_WORDS_LIMIT 8192
#define NODE_WORDS_SIZE 1288

struct place;
struct series;

/* What is said in the head of an HTTP request; a view into `bytes` each. */
struct node_words {
	struct trace_context context;
	struct bytes path, scheme, authority, agent, state;
	uint8_t minor;
	bool known; /* all but the path is */
	uint16_t used;
	uint8_t bytes[NODE_WORDS_SIZE];
};

struct node {
	struct node *parent, *first, *last; /* its own, its oldest and newest child */
	struct node *next;		    /* of its parent's children */
	struct list turn;		    /* until something is decided about it */
	struct list held;		    /* calls nobody claims yet, of all processes */
	struct list beside;		    /* those of its process */
	struct list same_root;		    /* requests that may get calls: claims.c */
	struct node *same_both;		    /* in a bucket: callers.h */
	struct place *place;		    /* its process; NULL unless it takes part in claims */
	struct node_words *words;	    /* HTTP; NULL: not known */
	struct series *observed;	    /* its duration in metrics; NULL: in none */

	const struct protocol *protocol;
	const void *connection; /* only to be compared */
	struct span_owner owner;
	uint64_t id; /* of its span, once it has one */
	uint64_t begin, end, read;
	uint64_t due;  /* when its turn is */
	uint64_t kept; /* when it came: not before its end */
	uint64_t task; /* that read or sent it */
	uint64_t root; /* request: what was done for it descends from this task; 0: unknown */
	uint64_t both;
	uint32_t peer, query, error, database;
	uint16_t operation, code, route;
	uint8_t kind;	 /* enum span_kind */
	uint8_t outcome; /* enum outcome */
	bool open;	 /* calls may still be added to it */
	bool awaits;	 /* the other end's exchange is not known yet (callers.h) */
	bool slow;
	bool vague; /* request: when it was read is not known, begin is when it was sent */
	uint64_t ancestors[EVENT_ANCESTORS]; /* call: of its task, ended by 0 */
};

struct nodes {
	struct pool all, words;
};

void nodes_init(struct nodes *nodes);

/* What is still out is its takers' loss. */
void nodes_free(struct nodes *nodes);

/*
 * A copy of all that its span will show but the route, in no list and no tree; NULL where there is
 * no room. Where there is none for its words it has none.
 */
struct node *node_keep(struct nodes *nodes, const struct exchange *exchange);

/* Gives back a node and all below it. */
void node_free(struct nodes *nodes, struct node *root);

/* Puts a tree below a node, as its newest child. */
void node_attach(struct node *parent, struct node *child);

/* The node that comes after `node` in the tree below `root`, parents first; NULL at the end. */
struct node *node_walk(const struct node *root, const struct node *node);

/* Whether its status is an error, by the conventions of OpenTelemetry. */
bool node_failed(const struct node *node);

#endif
