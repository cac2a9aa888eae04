/* SPDX-License-Identifier: Apache-2.0 */
#include "export/clients.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util/clock.h"

/* From the connection, or the last answer, to the end of the request: who is idle goes earlier. */
#define ASK_NS (15 * NSEC_PER_SEC)
#define READ_NS (30 * NSEC_PER_SEC)
#define UNREAD_NS (5 * NSEC_PER_SEC)

/* What lies in the socket is not sent any more, and nobody waits for its end. */
static void abandon(const struct client *client)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* The server finds the connection at its end and closes it. */
static void cut(struct clients *clients, struct client *client)
{
	abandon(client);
	shutdown(client->fd, SHUT_RDWR);
	client->cut = true;
	clients->count--;
}

/* Whether `a` has to go before `b`, which may be NULL. */
static bool goes_first(const struct client *a, const struct client *b)
{
	if (!b || a->reading != b->reading)
		return !b || b->reading;
	return a->since < b->since;
}

static struct client *find_first(struct clients *clients)
{
	struct client *first = NULL;

	for (size_t i = 0; i < CLIENTS_PLACES; i++) {
		struct client *client = &clients->places[i];

		if (client->used && !client->cut && goes_first(client, first))
			first = client;
	}
	return first;
}

struct client *clients_add(struct clients *clients, int fd, uint64_t now)
{
	struct client *client = NULL;

	if (clients->count >= CLIENTS_MOST)
		cut(clients, find_first(clients));
	for (size_t i = 0; i < CLIENTS_PLACES && !client; i++) {
		if (!clients->places[i].used)
			client = &clients->places[i];
	}
	if (!client)
		return NULL;
	*client = (struct client){ .fd = fd, .used = true, .since = now };
	clients->count++;
	return client;
}

void clients_remove(struct clients *clients, struct client *client, uint64_t now)
{
	int unread = 0;

	if (!client)
		return;
	if (!client->cut && now - client->since >= UNREAD_NS &&
	    ioctl(client->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		abandon(client);
	clients->count -= !client->cut;
	client->used = false;
}

void clients_answer(struct client *client, uint64_t now)
{
	if (!client)
		return;
	client->reading = true;
	client->since = now;
}

void clients_done(struct client *client, uint64_t now)
{
	if (!client)
		return;
	client->reading = false;
	client->since = now;
}

uint64_t clients_expire(struct clients *clients, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < CLIENTS_PLACES; i++) {
		struct client *client = &clients->places[i];
		uint64_t deadline = client->since + (client->reading ? READ_NS : ASK_NS);

		if (!client->used || client->cut)
			continue;
		if (deadline <= now)
			cut(clients, client);
		else if (deadline < next)
			next = deadline;
	}
	return next;
}
