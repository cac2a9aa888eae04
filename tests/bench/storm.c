/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm RATE SECONDS NGINX REDIS: so many new connections a second, in turn to either port on
 * loopback, each for one question and its whole answer. One after the other, by the clock: what is
 * late is made up for. Prints "WEB CACHE SECONDS": connections answered, and how long they took.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static const char web[] = "GET /600 HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char cache[] = "*1\r\n$4\r\nPING\r\n";

/* The whole answer has come: 600 bytes after its head, or one line. */
static bool complete(const char *data, size_t size, bool of_web)
{
	const char *body;

	if (!of_web)
		return size >= 2 && data[size - 1] == '\n';
	body = memmem(data, size, "\r\n\r\n", 4);
	return body && size - (body + 4 - data) >= 600;
}

static void ask(unsigned int port, bool of_web)
{
	const char *question = of_web ? web : cache;
	int fd = open_connection(port);
	char answer[4096];
	size_t have = 0;

	if (send(fd, question, strlen(question), 0) != (ssize_t)strlen(question))
		err(1, "send");
	while (!complete(answer, have, of_web)) {
		ssize_t size = recv(fd, answer + have, sizeof(answer) - have, 0);

		if (size <= 0)
			err(1, "recv");
		have += size;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned long made[2] = { 0, 0 };
	uint64_t begin = now();
	unsigned long rate, count;

	if (argc != 5)
		errx(2, "usage: storm RATE SECONDS NGINX REDIS");
	rate = strtoul(argv[1], NULL, 10);
	count = rate * strtoul(argv[2], NULL, 10);
	for (unsigned long i = 0; i < count; i++) {
		sleep_until(begin + i * NSEC_PER_SEC / rate);
		ask(strtoul(argv[3 + i % 2], NULL, 10), i % 2 == 0);
		made[i % 2]++;
	}
	printf("%lu %lu %.3f\n", made[0], made[1], (double)(now() - begin) / NSEC_PER_SEC);
	return 0;
}
