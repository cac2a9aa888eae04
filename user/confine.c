/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED
#endif

#ifdef SANITIZED

int confine(bool probing)
{
	(void)probing;
	return -EOPNOTSUPP;
}

#else

#include <fcntl.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Whatever their arguments. Names that a processor does not have are left out. */
static const char *const allowed[] = {
	/* memory; mmap and mprotect: see limit_memory() */
	"brk",
	"madvise",
	"mremap",
	"munmap",
	"membarrier",
	/* files; open, openat and open_by_handle_at: see limit_files() */
	"access",
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fcntl",
	"fstat",
	"fstatfs",
	"getcwd",
	"getdents",
	"getdents64",
	"lseek",
	"lstat",
	"name_to_handle_at",
	"newfstatat",
	"pread64",
	"preadv",
	"pwrite64",
	"read",
	"readlink",
	"readlinkat",
	"readv",
	"stat",
	"statfs",
	"statx",
	"write",
	"writev",
	/* waiting */
	"clock_nanosleep",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"nanosleep",
	"pipe2",
	"poll",
	"ppoll",
	"pselect6",
	"select",
	"signalfd4",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* sockets; socket: see limit_sockets() */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"sendfile",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"socketpair",
	/* threads and signals; clone: see limit_threads() */
	"exit",
	"exit_group",
	"futex",
	"get_robust_list",
	"restart_syscall",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"sched_getaffinity",
	"sched_yield",
	"set_robust_list",
	"set_tid_address",
	"sigaltstack",
	/* who, when, how much */
	"capget",
	"capset",
	"clock_getres",
	"clock_gettime",
	"getegid",
	"geteuid",
	"getgid",
	"getpid",
	"getppid",
	"getpriority",
	"setpriority", /* without the capability: to be in less of a hurry */
	"getrandom",
	"getrlimit",
	"getrusage",
	"gettid",
	"gettimeofday",
	"getuid",
	"sysinfo",
	"time",
	"times",
	"uname",
};

/* Never meant: whoever makes one of them is not this program any more. */
static const char *const deadly[] = {
	"acct",	      "chroot",	     "delete_module",
	"execve",     "execveat",    "finit_module",
	"fsmount",    "fsopen",	     "init_module",
	"ioperm",     "iopl",	     "kexec_file_load",
	"kexec_load", "mount",	     "move_mount",
	"open_tree",  "pivot_root",  "process_vm_writev",
	"ptrace",     "reboot",	     "setns",
	"swapoff",    "swapon",	     "umount2",
	"unshare",    "userfaultfd",
};

/* On maps that are there; nothing is loaded, attached or made. */
static const unsigned int bpf_commands[] = {
	BPF_MAP_LOOKUP_ELEM,	BPF_MAP_UPDATE_ELEM,  BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,	BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_OBJ_GET_INFO_BY_FD,
};

/* As newer C libraries ask a terminal; their headers and the kernel's exclude one another. */
#define GET_TERMIOS2 0x802c542a
#define SET_TERMIOS2 0x402c542b

/* The terminal of the live table, and what of a socket is to be read. No TIOCSTI: it types. */
static const unsigned int requests[] = {
	TCGETS,		  TCSETS,	    TCSETSW,	TCSETSF, GET_TERMIOS2, SET_TERMIOS2,
	SET_TERMIOS2 + 1, SET_TERMIOS2 + 2, TIOCGWINSZ, FIONBIO, FIONREAD,     SIOCOUTQ,
};

/* Of probes; the programs are those that are loaded already. */
static const unsigned int probe_requests[] = { PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_ENABLE };

static const unsigned int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
static const unsigned int process_controls[] = { PR_GET_NAME, PR_SET_NAME };

/* ---- rules ---- */

/* 0 as well where this processor has no such call. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int count,
	       const struct scmp_arg_cmp *arguments)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR || number < 0)
		return 0;
	return seccomp_rule_add_array(filter, action, number, count, arguments);
}

static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	int result = 0;

	for (size_t i = 0; !result && i < count; i++)
		result = add(filter, action, names[i], 0, NULL);
	return result;
}

/* The call where the low half of an argument is one of `values`: the kernel looks at no more. */
static int allow_values(scmp_filter_ctx filter, const char *name, unsigned int argument,
			const unsigned int *values, size_t count)
{
	int result = 0;

	for (size_t i = 0; !result && i < count; i++) {
		struct scmp_arg_cmp is =
			SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, values[i]);

		result = add(filter, SCMP_ACT_ALLOW, name, 1, &is);
	}
	return result;
}

/* The call where an argument has, of the bits `mask`, exactly `bits`. */
static int allow_bits(scmp_filter_ctx filter, const char *name, unsigned int argument,
		      uint64_t mask, uint64_t bits)
{
	struct scmp_arg_cmp is = SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, bits);

	return add(filter, SCMP_ACT_ALLOW, name, 1, &is);
}

/* Code comes from files only: the libraries that look names up are loaded when first needed. */
static int limit_memory(scmp_filter_ctx filter)
{
	int result = allow_bits(filter, "mmap", 2, PROT_EXEC, 0);

	if (!result)
		result = allow_bits(filter, "mmap", 3, MAP_ANONYMOUS, 0);
	if (!result)
		result = allow_bits(filter, "mprotect", 2, PROT_EXEC, 0);
	return result;
}

static int limit_files(scmp_filter_ctx filter)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
	int result = allow_bits(filter, "open", 1, writing, O_RDONLY);

	if (!result)
		result = allow_bits(filter, "openat", 2, writing, O_RDONLY);
	if (!result)
		result = allow_bits(filter, "open_by_handle_at", 2, writing, O_RDONLY);
	return result;
}

/* clone3() keeps its flags in memory, where no filter looks: the C library falls back to clone. */
static int limit_threads(scmp_filter_ctx filter)
{
	const uint64_t thread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
	struct scmp_arg_cmp own = SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)getpid(), 0);
	struct scmp_arg_cmp none = SCMP_A2_64(SCMP_CMP_EQ, 0, 0);
	int result = allow_bits(filter, "clone", 0, thread, thread);

	if (!result)
		result = add(filter, SCMP_ACT_ALLOW, "tgkill", 1, &own);
	if (!result) /* limits may be asked for, not set */
		result = add(filter, SCMP_ACT_ALLOW, "prlimit64", 1, &none);
	return result;
}

/* Events of one process, no groups, no cgroups. What kind of event it is a filter cannot see. */
static int limit_probes(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp arguments[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, UINT32_MAX),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, UINT32_MAX),
		SCMP_A4_64(SCMP_CMP_EQ, PERF_FLAG_FD_CLOEXEC, 0),
	};
	int result = add(filter, SCMP_ACT_ALLOW, "perf_event_open", COUNT(arguments), arguments);

	if (!result)
		result = allow_values(filter, "ioctl", 1, probe_requests, COUNT(probe_requests));
	return result;
}

static int add_rules(scmp_filter_ctx filter, bool probing)
{
	int result = add_all(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));

	if (!result)
		result = add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
	if (!result)
		result = allow_values(filter, "bpf", 0, bpf_commands, COUNT(bpf_commands));
	if (!result)
		result = allow_values(filter, "ioctl", 1, requests, COUNT(requests));
	if (!result)
		result = allow_values(filter, "socket", 0, families, COUNT(families));
	if (!result)
		result =
			allow_values(filter, "prctl", 0, process_controls, COUNT(process_controls));
	if (!result)
		result = limit_memory(filter);
	if (!result)
		result = limit_files(filter);
	if (!result)
		result = limit_threads(filter);
	if (!result && probing)
		result = limit_probes(filter);
	return result;
}

int confine(bool probing)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int result;

	if (!filter)
		return -ENOMEM;
	/* The threads that are there already, too. */
	result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Whoever runs code here has what he could spy out: no slower stores on older kernels. */
	if (!result)
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	if (!result)
		result = add_rules(filter, probing);
	if (!result)
		result = seccomp_load(filter);
	seccomp_release(filter);
	malloc_trim(0); /* rules and program took some 200 KB */
	return result;
}

#endif
