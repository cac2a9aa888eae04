/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the daemon on kernels before 5.16, which do not tell how many instructions the
 * verifier looked at (struct bpf_prog_info): asks for its statistics at each load, and adds a line
 * "NAME NUMBER" to the file that VERIFIED names.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_STATS 4 /* BPF_LOG_STATS of the kernel */

static char text[1 << 24]; /* the kernel counts what it would have said, too */

static long enter(long number, const long argument[6])
{
	register long r10 __asm__("r10") = argument[3];
	register long r8 __asm__("r8") = argument[4];
	register long r9 __asm__("r9") = argument[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(argument[0]), "S"(argument[1]), "d"(argument[2]),
			   "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static void tell(const union bpf_attr *load)
{
	const char *told = strstr(text, "processed ");
	FILE *file = fopen(getenv("VERIFIED"), "a");

	if (told && file)
		fprintf(file, "%.16s %ld\n", load->prog_name, atol(told + strlen("processed ")));
	if (file)
		fclose(file);
}

/* As the C library's. */
long syscall(long number, ...)
{
	union bpf_attr *load = NULL;
	long argument[6], result;
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf && argument[0] == BPF_PROG_LOAD && getenv("VERIFIED"))
		load = (union bpf_attr *)argument[1];
	if (load && !load->log_level) {
		load->log_level = LOG_STATS;
		load->log_buf = (uintptr_t)text;
		load->log_size = sizeof(text);
	} else {
		load = NULL;
	}
	result = enter(number, argument);
	if (load && result >= 0)
		tell(load);
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}
