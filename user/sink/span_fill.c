/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/span_fill.h"

#include <stdio.h>

#include "proto/queries.h"
#include "util/clock.h"
#include "util/names.h"

#define SYNTAX_ERROR BYTES("42601")
#define NAME_MOST 320 /* of a span: a method and a route */

static struct bytes view(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static void add(struct span *span, enum span_key key, struct bytes text)
{
	if (text.size)
		span_add_text(span, key, text);
}

/* host, host:port, [v6]:port or the path of a Unix socket; 0: no port that is meant without one. */
static void add_server(struct span *span, struct bytes authority, uint32_t usual)
{
	size_t colon = authority.size;
	uint32_t port = usual;

	if (!authority.size)
		return;
	while (colon && authority.data[colon - 1] != ':' && authority.data[colon - 1] != ']' &&
	       authority.data[colon - 1] != '/')
		colon--;
	if (colon && authority.data[colon - 1] == ':') {
		port = colon < authority.size ? 0 : usual;
		for (size_t i = colon; i < authority.size && port < 65536; i++) {
			uint8_t digit = authority.data[i] - '0';

			port = digit > 9 ? 65536 : port * 10 + digit;
		}
		authority.size = colon - 1;
	}
	if (authority.size > 2 && authority.data[0] == '[' &&
	    authority.data[authority.size - 1] == ']')
		authority = (struct bytes){ authority.data + 1, authority.size - 2 };
	add(span, SPAN_SERVER_ADDRESS, authority);
	if (port && port < 65536)
		span_add_integer(span, SPAN_SERVER_PORT, port);
}

/* ---- HTTP ---- */

/* Who is asked, as the request names it: a port that is the scheme's own is left out there. RFC
 * 9110, section 4.2. */
static void add_authority(struct span *span, const struct node_words *words)
{
	add_server(span, words->authority, bytes_equal(words->scheme, BYTES("https")) ? 443 : 80);
}

static struct bytes http_name(const struct node *node, struct bytes method)
{
	static char name[NAME_MOST];
	bool routed = node->kind == SPAN_SERVER && node->route > NAME_OTHER;

	if (!routed)
		return method;
	snprintf(name, sizeof(name), "%.*s %s", (int)method.size, (const char *)method.data,
		 names_text(node->route));
	return view(name);
}

static void add_code(struct span *span, const struct node *node)
{
	static char code[8];

	if (node->code)
		span_add_integer(span, SPAN_HTTP_RESPONSE_STATUS_CODE, node->code);
	if (!node_failed(node))
		return;
	snprintf(code, sizeof(code), "%u", node->code);
	add(span, SPAN_ERROR_TYPE,
	    node->outcome == OUTCOME_ABORTED ? BYTES("aborted") : view(code));
}

static void add_words(struct span *span, const struct node_words *words)
{
	add(span, SPAN_URL_PATH, words->path);
	if (!words->known)
		return;
	add(span, SPAN_URL_SCHEME, words->scheme.size ? words->scheme : BYTES("http"));
	add(span, SPAN_NETWORK_PROTOCOL_VERSION, words->minor ? BYTES("1.1") : BYTES("1.0"));
	add(span, SPAN_USER_AGENT_ORIGINAL, words->agent);
}

static void fill_http(struct span *span, const struct node *node)
{
	bool odd = node->operation <= NAME_OTHER;
	bool named = node->words && node->words->authority.size;
	struct bytes peer = { 0 };

	if (node->peer > NAME_OTHER)
		peer = view(names_text((uint16_t)node->peer));
	span->name = http_name(node, odd ? BYTES("HTTP") : view(names_text(node->operation)));
	add(span, SPAN_HTTP_REQUEST_METHOD,
	    odd ? BYTES("_OTHER") : view(names_text(node->operation)));
	if (node->kind == SPAN_SERVER && node->route > NAME_OTHER)
		add(span, SPAN_HTTP_ROUTE, view(names_text(node->route)));
	if (node->words)
		add_words(span, node->words);
	add_code(span, node);
	if (named)
		add_authority(span, node->words);
	else if (node->kind == SPAN_CLIENT)
		add_server(span, peer, 0);
	if (node->kind == SPAN_CLIENT)
		return;
	add(span, SPAN_CLIENT_ADDRESS, peer);
	if (node->read >= node->begin && !node->vague)
		span_add_real(span, SPAN_QUEUE_DURATION,
			      (double)(node->read - node->begin) / NSEC_PER_SEC);
}

/* ---- databases ---- */

static void add_error(struct span *span, const struct node *node)
{
	struct query error;

	if (node->error && queries_get(node->error, &error)) {
		add(span, SPAN_DB_RESPONSE_STATUS_CODE, error.text);
		add(span, SPAN_ERROR_TYPE, error.text);
	} else if (node_failed(node)) {
		add(span, SPAN_ERROR_TYPE,
		    node->outcome == OUTCOME_ABORTED ? BYTES("aborted") : BYTES("_OTHER"));
	}
}

static void fill_database(struct span *span, const struct node *node)
{
	struct bytes operation = { 0 };
	struct query query = { 0 }, database = { 0 }, error;

	if (node->operation > NAME_OTHER)
		operation = view(names_text(node->operation));
	/* Where the server found no syntax, what we took for words may be literals. */
	if (node->query && !(node->error && queries_get(node->error, &error) &&
			     bytes_equal(error.text, SYNTAX_ERROR)))
		queries_get(node->query, &query);
	span->name = query.summary.size ? query.summary :
		     operation.size	? operation :
					  view(node->protocol->name);
	add(span, SPAN_DB_SYSTEM_NAME, view(node->protocol->name));
	add(span, SPAN_DB_OPERATION_NAME, operation);
	add(span, SPAN_DB_QUERY_TEXT, query.text);
	add(span, SPAN_DB_QUERY_SUMMARY, query.summary);
	if (node->database && queries_get(node->database, &database))
		add(span, SPAN_DB_NAMESPACE, database.text);
	add_error(span, node);
	if (node->peer > NAME_OTHER)
		add_server(span, view(names_text((uint16_t)node->peer)), 0);
}

void span_fill(struct span *ret, const struct node *node)
{
	ret->kind = node->kind;
	ret->status = node_failed(node) ? SPAN_ERROR : SPAN_UNSET;
	ret->attribute_count = 0;
	ret->begin = node->begin;
	ret->end = node->end;
	ret->owner = node->owner;
	if (node->protocol->family == FAMILY_HTTP)
		fill_http(ret, node);
	else
		fill_database(ret, node);
}
