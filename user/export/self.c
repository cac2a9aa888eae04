/* SPDX-License-Identifier: Apache-2.0 */
#include "export/self.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/clock.h"
#include "version.h"

/* proc(5): of /proc/self/stat, counted from the state, which is the third. */
struct process {
	unsigned long long user, system; /* ticks */
	unsigned long long start;	 /* ticks after boot */
	unsigned long long virtual_bytes;
	long long resident_pages;
};

void self_write_build(struct self_writer *writer)
{
	self_family(writer, "onlooker_build_info", SELF_GAUGE, "Which build this is; always 1.");
	self_value(writer, 1, "version", ONLOOKER_VERSION, "revision", ONLOOKER_REVISION, NULL);
}

/* The name in parentheses may contain anything: the last parenthesis ends it. */
static int read_process(struct process *ret)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char line[1024] = "";
	const char *end;

	if (!file)
		return -1;
	end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!end)
		return -1;
	return sscanf(end + 1,
		      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d "
		      "%*d %*d %llu %llu %lld",
		      &ret->user, &ret->system, &ret->start, &ret->virtual_bytes,
		      &ret->resident_pages) == 5 ?
		       0 :
		       -1;
}

static int count_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = -3; /* itself, "." and ".." */

	if (!directory)
		return -1;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* When the machine was booted, found once: the clock may be set later, the start does not move. */
static double boot_time(void)
{
	static double boot;

	if (boot == 0)
		boot = (double)clock_wall() / 1e9 - (double)clock_read(CLOCK_BOOTTIME) / 1e9;
	return boot;
}

static void write_files(struct self_writer *writer)
{
	struct rlimit limit;
	int files = count_files();

	if (files >= 0) {
		self_family(writer, "process_open_fds", SELF_GAUGE,
			    "Number of open file descriptors.");
		self_value(writer, files, NULL);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		self_family(writer, "process_max_fds", SELF_GAUGE,
			    "Maximum number of open file descriptors.");
		self_value(writer, (double)limit.rlim_cur, NULL);
	}
}

void self_write_process(struct self_writer *writer)
{
	double ticks = (double)sysconf(_SC_CLK_TCK);
	struct process process;

	write_files(writer);
	if (read_process(&process))
		return;
	self_family(writer, "process_cpu_seconds_total", SELF_COUNTER,
		    "Total user and system CPU time spent in seconds.");
	self_value(writer, (double)(process.user + process.system) / ticks, NULL);
	self_family(writer, "process_resident_memory_bytes", SELF_GAUGE,
		    "Resident memory size in bytes.");
	self_value(writer, (double)process.resident_pages * (double)sysconf(_SC_PAGESIZE), NULL);
	self_family(writer, "process_virtual_memory_bytes", SELF_GAUGE,
		    "Virtual memory size in bytes.");
	self_value(writer, (double)process.virtual_bytes, NULL);
	self_family(writer, "process_start_time_seconds", SELF_GAUGE,
		    "Start time of the process since unix epoch in seconds.");
	self_value(writer, boot_time() + (double)process.start / ticks, NULL);
}
