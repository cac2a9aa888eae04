/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARED 128 /* for who scrapes, and files that are read */

/* Half, where there are few. */
int descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) && getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	if (limit.rlim_cur > INT_MAX)
		limit.rlim_cur = INT_MAX;
	return (int)(limit.rlim_cur > 2 * SPARED ? limit.rlim_cur - SPARED : limit.rlim_cur / 2);
}

int descriptors_spare(int limit, int opened)
{
	if (opened < limit)
		return opened;
	close(opened);
	return -EMFILE;
}
