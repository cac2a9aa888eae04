/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace RATE SECONDS REDIS: so many GETs a second (0: as many as can be) over one connection on
 * loopback, by the clock. Prints "COUNT MEDIAN P99": those made, and nanoseconds from the write of
 * a question to the read of its answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "client.h"

#define MOST 10000000 /* answers that are kept time of */

static const char question[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";

static uint64_t ask(int fd)
{
	uint64_t begin = now();
	char answer[256];

	if (write(fd, question, strlen(question)) != (ssize_t)strlen(question))
		err(1, "write");
	if (read(fd, answer, sizeof(answer)) <= 0)
		err(1, "read");
	return now() - begin;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
	unsigned long rate, seconds;
	uint64_t begin, end, *times;
	size_t count = 0;
	int fd;

	if (argc != 4)
		errx(2, "usage: pace RATE SECONDS REDIS");
	rate = strtoul(argv[1], NULL, 10);
	seconds = strtoul(argv[2], NULL, 10);
	times = calloc(MOST, sizeof(*times));
	if (!times)
		err(1, "calloc");
	prctl(PR_SET_TIMERSLACK, 1UL);
	fd = open_connection(strtoul(argv[3], NULL, 10));
	begin = now();
	end = begin + seconds * NSEC_PER_SEC;
	while (now() < end && count < MOST) {
		if (rate)
			sleep_until(begin + count * NSEC_PER_SEC / rate);
		times[count++] = ask(fd);
	}
	if (!count)
		errx(1, "no time");
	qsort(times, count, sizeof(*times), compare);
	printf("%zu %lu %lu\n", count, times[count / 2], times[count - 1 - count / 100]);
	free(times);
	return 0;
}
