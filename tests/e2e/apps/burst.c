/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that hardly live.
 *
 *	burst RATE SECONDS PROGRAM PORT [PROGRAM PORT]...	so many processes a second, in turn
 *	burst-web PORT, burst-cache PORT	one of them: one question, its answer
 *
 * What is late is made up for. Prints "COUNT SECONDS" once all have ended well.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000ULL
#define SIDE_BY_SIDE 100

static const char web[] = "GET /hello HTTP/1.1\r\nHost: burst\r\n\r\n";
static const char web_end[] = "\r\n\r\nhello\n";
static const char cache[] = "*1\r\n$4\r\nPING\r\n";
static const char cache_end[] = "+PONG\r\n";

extern char **environ;

static int ask(const char *port, const char *question, const char *end)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t have = 0, size = strlen(end);
	char answer[4096];

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connect");
	if (send(fd, question, strlen(question), 0) != (ssize_t)strlen(question))
		err(1, "send");
	while (have < size || memcmp(answer + have - size, end, size) != 0) {
		ssize_t n = recv(fd, answer + have, sizeof(answer) - have, 0);

		if (n <= 0)
			err(1, "recv");
		have += n;
	}
	return 0; /* the socket is closed by the end of the process */
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

static void sleep_until(uint64_t when)
{
	struct timespec time = { when / NSEC_PER_SEC, when % NSEC_PER_SEC };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* Those that ended, and as many more as it takes to have no more than `most` left. */
static void reap(unsigned long *running, unsigned long most)
{
	int status;
	pid_t pid;

	while (*running > 0) {
		pid = waitpid(-1, &status, *running > most ? 0 : WNOHANG);
		if (pid == 0)
			return;
		if (pid < 0 || status != 0)
			errx(1, "a process failed");
		(*running)--;
	}
}

static void start(char *program, char *port)
{
	char *words[] = { program, port, NULL };
	pid_t pid;

	errno = posix_spawn(&pid, program, NULL, NULL, words, environ);
	if (errno)
		err(1, "%s", program);
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	unsigned long rate, count, running = 0;
	uint64_t begin = now();

	if (argc == 2 && strcmp(name, "burst-web") == 0)
		return ask(argv[1], web, web_end);
	if (argc == 2 && strcmp(name, "burst-cache") == 0)
		return ask(argv[1], cache, cache_end);
	if (argc < 5 || argc % 2 == 0)
		errx(2, "usage: burst RATE SECONDS PROGRAM PORT [PROGRAM PORT]...");
	rate = strtoul(argv[1], NULL, 10);
	count = rate * strtoul(argv[2], NULL, 10);
	for (unsigned long i = 0; i < count; i++) {
		char **what = argv + 3 + i % ((argc - 3) / 2) * 2;

		sleep_until(begin + i * NSEC_PER_SEC / rate);
		start(what[0], what[1]);
		running++;
		reap(&running, SIDE_BY_SIDE);
	}
	reap(&running, 0);
	printf("%lu %.3f\n", count, (double)(now() - begin) / NSEC_PER_SEC);
	return 0;
}
