/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/node.h"

#include "details.h"
#include "sink/target.h"

#define KEPT 256 /* idle blocks */

void nodes_init(struct nodes *nodes)
{
	pool_init(&nodes->all, MEMORY_TRACES, sizeof(struct node), NODES_LIMIT, KEPT);
	pool_init(&nodes->words, MEMORY_TRACES, sizeof(struct node_words), NODE_WORDS_LIMIT, KEPT);
}

void nodes_free(struct nodes *nodes)
{
	pool_free(&nodes->all);
	pool_free(&nodes->words);
}

/* ---- words ---- */

/* All of it or, where there is no room, nothing. */
static struct bytes copy(struct node_words *words, struct bytes text)
{
	struct bytes ret = { words->bytes + words->used, text.size };

	if (!text.size || text.size > sizeof(words->bytes) - words->used)
		return (struct bytes){ 0 };
	memcpy(words->bytes + words->used, text.data, text.size);
	words->used += text.size;
	return ret;
}

/* The path of a target, as in a route; likewise. */
static struct bytes copy_path(struct node_words *words, struct bytes target)
{
	struct bytes ret = { words->bytes + words->used, 0 }, path, name;
	size_t before = words->used;

	if (!target_path(target, &path) || path.size > sizeof(words->bytes) - words->used)
		return (struct bytes){ 0 };
	while (path.size) {
		path = bytes_skip(path, target_segment(path, &name).size);
		copy(words, name);
		copy(words, bytes_first(path, 1)); /* the slash behind */
		path = bytes_skip(path, 1);
	}
	ret.size = words->used - before;
	return ret;
}

static struct node_words *words_keep(struct nodes *nodes, const struct exchange *exchange)
{
	struct node_words *words;

	if (exchange->connection->protocol->family != FAMILY_HTTP)
		return NULL;
	words = pool_take(&nodes->words);
	if (!words)
		return NULL;
	memset(words, 0, offsetof(struct node_words, bytes));
	if (exchange->target.data)
		words->path = copy_path(words, exchange->target);
	if (!exchange->details)
		return words;
	words->known = true;
	words->context = exchange->details->context;
	words->minor = exchange->details->minor;
	words->state = copy(words, exchange->details->state);
	words->scheme = copy(words, exchange->details->scheme);
	words->authority = copy(words, exchange->details->authority);
	words->agent = copy(words, exchange->details->agent);
	return words;
}

/* ---- nodes ---- */

struct node *node_keep(struct nodes *nodes, const struct exchange *exchange)
{
	const struct connection *connection = exchange->connection;
	struct node *node = pool_take(&nodes->all);

	if (!node)
		return NULL;
	memset(node, 0, offsetof(struct node, ancestors) + sizeof(node->ancestors[0]));
	list_init(&node->turn);
	list_init(&node->held);
	list_init(&node->beside);
	list_init(&node->same_root);
	node->words = words_keep(nodes, exchange);
	node->protocol = connection->protocol;
	node->connection = connection;
	node->owner.identity = connection->identity;
	node->owner.tgid = connection->tgid;
	node->owner.process = connection->process;
	node->vague = !exchange->begin;
	node->begin = node->vague ? exchange->read : exchange->begin;
	node->end = exchange->end;
	node->read = exchange->read;
	node->task = exchange->task;
	node->both = exchange->both;
	node->peer = connection->peer;
	node->query = exchange->query;
	node->error = exchange->error;
	node->database = exchange->database;
	node->operation = exchange->operation;
	node->code = exchange->code;
	node->outcome = exchange->outcome;
	node->kind = connection->side == SIDE_SERVER ? SPAN_SERVER : SPAN_CLIENT;
	return node;
}

void node_free(struct nodes *nodes, struct node *root)
{
	struct node *node = root, *next;

	while (node) {
		if (node->first) { /* its children first, which it forgets one by one */
			next = node->first;
			node->first = next->next;
		} else {
			next = node == root ? NULL : node->parent;
			pool_give(&nodes->words, node->words);
			pool_give(&nodes->all, node);
		}
		node = next;
	}
}

void node_attach(struct node *parent, struct node *child)
{
	child->parent = parent;
	child->next = NULL;
	if (parent->first)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

struct node *node_walk(const struct node *root, const struct node *node)
{
	if (node->first)
		return node->first;
	while (node != root && !node->next)
		node = node->parent;
	return node == root ? NULL : node->next;
}

bool node_failed(const struct node *node)
{
	if (node->outcome == OUTCOME_ABORTED)
		return true;
	if (node->protocol->family != FAMILY_HTTP)
		return node->outcome == OUTCOME_ERROR;
	return node->code >= (node->kind == SPAN_SERVER ? 500 : 400);
}
