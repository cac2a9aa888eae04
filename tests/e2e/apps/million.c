/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Very many exchanges, of which every thousandth fails.
 *
 *	million serve PORT REDIS		a thread a connection, CALLS commands a request
 *	million ask PORT COUNT FLIGHT RATE	requests, so many a second at most
 *	million store REDIS COUNT BATCH RATE	commands, in pipelines
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLS 3
#define FAILS(number) ((number) % 1000 == 7)
#define NSEC_PER_SEC 1000000000ULL

static const char get[] = "*2\r\n$3\r\nGET\r\n$7\r\nmillion\r\n";
static const char wrong[] = "*3\r\n$5\r\nLPUSH\r\n$7\r\nmillion\r\n$1\r\nx\r\n";

static struct sockaddr_in at(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)atoi(port)),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static FILE *open_to(const char *port)
{
	struct sockaddr_in address = at(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "port %s", port);
	return fdopen(fd, "r");
}

static void put(FILE *file, const char *data, size_t size)
{
	if (send(fileno(file), data, size, MSG_NOSIGNAL) != (ssize_t)size)
		err(1, "send");
}

/* Waits until the `number`-th of `rate` a second is due. */
static void pace(uint64_t begin, uint64_t number, uint64_t rate)
{
	uint64_t due = begin + number * NSEC_PER_SEC / rate;
	struct timespec until = { (time_t)(due / NSEC_PER_SEC), (long)(due % NSEC_PER_SEC) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ---- serving ---- */

static const char *redis_port;

static void read_answer(FILE *redis, bool fails)
{
	char line[256];

	if (!fgets(line, sizeof(line), redis) || (line[0] == '-') != fails)
		errx(1, "Redis: %s", line);
	if (!fails && line[0] == '$' && !fgets(line, sizeof(line), redis))
		errx(1, "Redis has gone");
}

static void *serve(void *argument)
{
	FILE *client = argument, *redis = open_to(redis_port);
	char line[4096], answer[256];
	unsigned int number;

	while (fgets(line, sizeof(line), client)) {
		if (sscanf(line, "GET /trip/%u ", &number) != 1)
			errx(1, "%s", line);
		while (fgets(line, sizeof(line), client) && line[0] != '\r')
			;
		for (int i = 0; i < CALLS; i++) {
			put(redis, get, sizeof(get) - 1);
			read_answer(redis, false);
		}
		put(client, answer,
		    (size_t)snprintf(answer, sizeof(answer),
				     "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
				     FAILS(number) ? "500 Oh" : "200 OK"));
	}
	fclose(client);
	fclose(redis);
	return NULL;
}

static void listen_on(const char *port)
{
	struct sockaddr_in address = at(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	pthread_t thread;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 128))
		err(1, "port %s", port);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0 || pthread_create(&thread, NULL, serve, fdopen(client, "r")))
			err(1, "accept");
		pthread_detach(thread);
	}
}

/* ---- asking ---- */

static struct {
	const char *port;
	uint64_t count, rate, begin;
	_Atomic uint64_t next;
} work;

static void *ask(void *argument)
{
	FILE *server = open_to(work.port);
	char text[256];
	uint64_t number;

	while ((number = work.next++) < work.count) {
		pace(work.begin, number, work.rate);
		put(server, text,
		    (size_t)snprintf(text, sizeof(text),
				     "GET /trip/%llu HTTP/1.1\r\nHost: million\r\n\r\n",
				     (unsigned long long)number));
		if (!fgets(text, sizeof(text), server) ||
		    strncmp(text + 9, FAILS(number) ? "500" : "200", 3) != 0)
			errx(1, "%s", text);
		while (fgets(text, sizeof(text), server) && text[0] != '\r')
			;
	}
	fclose(server);
	return argument;
}

static void ask_all(int flight)
{
	pthread_t threads[flight];

	work.begin = now();
	for (int i = 0; i < flight; i++) {
		if (pthread_create(&threads[i], NULL, ask, NULL))
			err(1, "thread");
	}
	for (int i = 0; i < flight; i++)
		pthread_join(threads[i], NULL);
}

static void store(uint64_t batch)
{
	FILE *redis = open_to(work.port);
	char *text = malloc(batch * sizeof(wrong));

	work.begin = now();
	for (uint64_t number = 0; number < work.count; number += batch) {
		size_t size = 0;

		pace(work.begin, number, work.rate);
		for (uint64_t i = number; i < number + batch; i++) {
			const char *command = FAILS(i) ? wrong : get;

			memcpy(text + size, command, strlen(command));
			size += strlen(command);
		}
		put(redis, text, size);
		for (uint64_t i = number; i < number + batch; i++)
			read_answer(redis, FAILS(i));
	}
	fclose(redis);
	free(text);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0) {
		redis_port = argv[3];
		listen_on(argv[2]);
	}
	if (argc != 6)
		errx(1, "usage: see the top of million.c");
	work.port = argv[2];
	work.count = strtoull(argv[3], NULL, 10);
	work.rate = strtoull(argv[5], NULL, 10);
	if (strcmp(argv[1], "ask") == 0)
		ask_all(atoi(argv[4]));
	else
		store(strtoull(argv[4], NULL, 10));
	return 0;
}
