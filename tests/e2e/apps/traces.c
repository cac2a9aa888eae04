/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/traces.py's work by a server with a thread for each connection, which has connections of its
 * own to Redis and PostgreSQL. Arguments: the port, that of Redis, that of PostgreSQL, its user.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *const commands[] = { "GET",	"STRLEN", "EXISTS", "TTL",
					"TYPE", "PTTL",	  "HLEN",   "SCARD" };
static const char *const statements[] = { "SHOW server_version", "EXPLAIN SELECT 'S3CRETSQL'",
					  "SET application_name = 'S3CRETSET'",
					  "DO $$ BEGIN PERFORM 'S3CRETDO'; END $$" };
static int redis_port, postgres_port;
static const char *user;

static struct sockaddr_in at(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static FILE *open_to(int port)
{
	struct sockaddr_in address = at(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "port %d", port);
	return fdopen(fd, "r");
}

static void put(FILE *file, const void *data, size_t size)
{
	if (send(fileno(file), data, size, MSG_NOSIGNAL) != (ssize_t)size)
		err(1, "send");
}

static void command(FILE *redis, const char *name)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "*2\r\n$%zu\r\n%s\r\n$3\r\nkey\r\n", strlen(name),
			 name);

	put(redis, text, (size_t)n);
	if (!fgets(text, sizeof(text), redis) || text[0] == '-')
		errx(1, "%s: %s", name, text);
}

/* Reads messages up to ReadyForQuery. */
static void read_answer(FILE *postgres)
{
	char body[65536];
	int kind;
	uint32_t size;

	do {
		kind = getc(postgres);
		if (kind == EOF || fread(&size, 4, 1, postgres) != 1)
			errx(1, "PostgreSQL has gone");
		size = ntohl(size) - 4;
		if (size > sizeof(body) || fread(body, 1, size, postgres) != size || kind == 'E')
			errx(1, "PostgreSQL: %.*s", (int)size, body);
	} while (kind != 'Z');
}

static FILE *open_postgres(void)
{
	FILE *postgres = open_to(postgres_port);
	char text[128];
	int n = snprintf(text + 8, sizeof(text) - 8, "user%c%s%cdatabase%cpostgres%c", 0, user, 0,
			 0, 0);
	uint32_t head[2] = { htonl((uint32_t)n + 9), htonl(3 << 16) };

	memcpy(text, head, sizeof(head));
	text[8 + n] = 0;
	put(postgres, text, (size_t)n + 9);
	read_answer(postgres);
	return postgres;
}

static void query(FILE *postgres, const char *sql)
{
	char text[256] = "Q";
	uint32_t size = (uint32_t)strlen(sql) + 5, wire = htonl(size);

	memcpy(text + 1, &wire, sizeof(wire));
	memcpy(text + 5, sql, size - 4);
	put(postgres, text, size + 1);
	read_answer(postgres);
}

static void work(FILE *redis, FILE *postgres, unsigned int number)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		if ((number % 255 + 1) >> i & 1)
			command(redis, commands[i]);
	}
	for (size_t i = 0; i < COUNT(statements); i++) {
		if ((number / 3 % 15 + 1) >> i & 1)
			query(postgres, statements[i]);
	}
}

static void *serve(void *argument)
{
	FILE *client = argument, *redis = open_to(redis_port), *postgres = open_postgres();
	char line[4096], answer[256];
	unsigned int number;

	while (fgets(line, sizeof(line), client)) {
		if (sscanf(line, "GET /%*[a-z]/%u", &number) != 1)
			errx(1, "%s", line);
		while (fgets(line, sizeof(line), client) && line[0] != '\r')
			;
		work(redis, postgres, number);
		put(client, answer,
		    (size_t)snprintf(answer, sizeof(answer),
				     "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nZID%uZ%*s",
				     number, 16 - snprintf(NULL, 0, "%u", number), ""));
	}
	fclose(client);
	fclose(redis);
	fclose(postgres);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = at(argc == 5 ? atoi(argv[1]) : 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	pthread_t thread;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (argc != 5 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 128))
		err(1, "usage: PORT REDIS POSTGRES USER");
	redis_port = atoi(argv[2]);
	postgres_port = atoi(argv[3]);
	user = argv[4];
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0 || pthread_create(&thread, NULL, serve, fdopen(client, "r")))
			err(1, "accept");
		pthread_detach(thread);
	}
}
