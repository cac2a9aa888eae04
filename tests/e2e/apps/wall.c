/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded: the wall clock of one program alone is off by as many seconds as the file
 * WALL_FILE says, an int64_t that may change at any time.
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile int64_t *off;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void prepare(void)
{
	int fd = open(getenv("WALL_FILE"), O_RDONLY | O_CLOEXEC);

	off = mmap(NULL, sizeof(*off), PROT_READ, MAP_SHARED, fd, 0);
	if (off == MAP_FAILED)
		err(1, "WALL_FILE");
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, ret);
	if (off && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += *off;
	return result;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = now.tv_nsec / 1000;
	return 0;
}
