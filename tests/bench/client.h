/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients in C have in common: the clock and connections over loopback. */
#ifndef ONLOOKER_BENCH_CLIENT_H
#define ONLOOKER_BENCH_CLIENT_H

#include <arpa/inet.h>
#include <err.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000ULL

static inline uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

static inline void sleep_until(uint64_t when)
{
	struct timespec time = { when / NSEC_PER_SEC, when % NSEC_PER_SEC };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* A connection to a port on loopback; ends the program where there is none. */
static inline int open_connection(unsigned int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connect");
	return fd;
}

#endif
