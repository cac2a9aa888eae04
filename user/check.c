/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/cgroup.h"
#include "capture/probe.h"
#include "capture/procfs.h"
#include "privileges.h"
#include "util/kernel.h"
#include "util/path.h"

#define MEMLOCK_LEAST (64ULL * 1024 * 1024)
#define PROC_TRIES 64

struct check {
	FILE *out;
	int status;
	unsigned int version; /* of the kernel */
	uint64_t capabilities;
	struct btf *btf; /* NULL: the kernel has none */
};

__attribute__((format(printf, 2, 3))) static void ok(struct check *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(check->out, "ok    ");
	vfprintf(check->out, format, args);
	fprintf(check->out, "\n");
	va_end(args);
}

static void warn(struct check *check, const char *found, const char *advice)
{
	fprintf(check->out, "warn  %s -> %s\n", found, advice);
}

static void miss(struct check *check, const char *found, const char *advice)
{
	fprintf(check->out, "miss  %s -> %s\n", found, advice);
	check->status = 1;
}

/* ---- kernel ---- */

static void check_kernel(struct check *check)
{
	struct utsname name;
	char text[128];

	uname(&name);
	check->version = kernel_version();
	if (check->version >= KERNEL(5, 10)) {
		ok(check, "kernel: %s", name.release);
		return;
	}
	snprintf(text, sizeof(text), "kernel: %.64s", name.release);
	miss(check, text, "run on Linux 5.10 or later");
}

static void check_btf(struct check *check)
{
	check->btf = btf__load_vmlinux_btf();
	if (check->btf)
		ok(check, "kernel types: /sys/kernel/btf/vmlinux");
	else
		miss(check, "kernel types: /sys/kernel/btf/vmlinux is not there or not readable",
		     "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys");
}

static bool has_type(const struct check *check, const char *name, uint32_t kind)
{
	return check->btf && btf__find_by_name_kind(check->btf, name, kind) > 0;
}

static void check_features(struct check *check)
{
	static const struct {
		enum bpf_map_type type;
		const char *name;
	} maps[] = { { BPF_MAP_TYPE_RINGBUF, "ring buffer" },
		     { BPF_MAP_TYPE_SK_STORAGE, "socket storage" } };
	char text[128];
	size_t i;
	int found;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		found = libbpf_probe_bpf_map_type(maps[i].type, NULL);
		if (found > 0) {
			ok(check, "%s: can be made", maps[i].name);
			continue;
		}
		snprintf(text, sizeof(text), "%s: cannot be made%s%s", maps[i].name,
			 found < 0 ? ": " : "", found < 0 ? strerror(-found) : "");
		miss(check, text,
		     "give CAP_BPF and CAP_PERFMON, or run as root; is seccomp in the way?");
	}
}

/* ---- backends ---- */

/* "return 0", attached to a kernel type or function. */
static int attach_nothing(const char *target, enum bpf_attach_type type)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	int id, program, link;

	id = libbpf_find_vmlinux_btf_id(target, type);
	if (id < 0)
		return id;
	options.attach_btf_id = (uint32_t)id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "onlooker_check", "GPL", code,
				sizeof(code) / sizeof(code[0]), &options);
	if (program < 0)
		return -errno;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		link = -errno;
	else
		close(link);
	close(program);
	return link < 0 ? link : 0;
}

int check_attach(enum config_backend backend)
{
	if (backend == BACKEND_TRACEPOINT)
		return attach_nothing("sock_send_length", BPF_TRACE_RAW_TP);
	return attach_nothing("tcp_sendmsg", BPF_TRACE_FEXIT);
}

static bool try_backend(struct check *check, enum config_backend backend,
			int (*attach)(enum config_backend), char *text, size_t size)
{
	const char *name = backend == BACKEND_TRACEPOINT ? "tracepoint" : "fexit";
	bool known = backend == BACKEND_TRACEPOINT ?
			     has_type(check, "btf_trace_sock_send_length", BTF_KIND_TYPEDEF) :
			     has_type(check, "tcp_sendmsg", BTF_KIND_FUNC) &&
				     has_type(check, "tcp_recvmsg", BTF_KIND_FUNC);
	int err = known ? attach(backend) : -ENOENT;

	if (!known)
		snprintf(text, size, "backend %s: this kernel does not have it", name);
	else if (err)
		snprintf(text, size, "backend %s: cannot attach: %s", name, strerror(-err));
	else
		snprintf(text, size, "backend %s: attaches", name);
	return err == 0;
}

static void check_backends(struct check *check, enum config_backend wanted,
			   int (*attach)(enum config_backend))
{
	char tracepoint[128], fexit[128];
	bool first = try_backend(check, BACKEND_TRACEPOINT, attach, tracepoint, sizeof(tracepoint));
	bool second = try_backend(check, BACKEND_FEXIT, attach, fexit, sizeof(fexit));
	const char *advice = "use --backend auto, or another kernel or policy";

	if (wanted == BACKEND_AUTO)
		advice = "use Linux 6.3 or later for tracepoint, or a kernel with BPF "
			 "trampolines for fexit; check privileges first";
	if (first)
		ok(check, "%s", tracepoint);
	else if (wanted == BACKEND_TRACEPOINT || (wanted == BACKEND_AUTO && !second))
		miss(check, tracepoint, advice);
	else
		ok(check, "%s; not needed, fexit is used", tracepoint);
	if (second)
		ok(check, "%s", fexit);
	else if (wanted == BACKEND_FEXIT || (wanted == BACKEND_AUTO && !first))
		miss(check, fexit, advice);
	else
		ok(check, "%s; tracepoint is used, but nothing tells of splice() that reads",
		   fexit);
}

/* ---- privileges ---- */

static bool can(const struct check *check, unsigned int capability)
{
	return check->capabilities >> capability & 1;
}

static void check_capabilities(struct check *check)
{
	char found[128], advice[512];

	check->capabilities = privileges_held();
	for (const struct privilege *at = privileges; at->name; at++) {
		if (can(check, at->capability)) {
			ok(check, "%s: held", at->name);
			continue;
		}
		if (privileges_suffice(check->capabilities, at->capability)) {
			ok(check, "%s: not held, CAP_SYS_ADMIN stands for it", at->name);
			continue;
		}
		snprintf(found, sizeof(found), "%s: missing", at->name);
		snprintf(advice, sizeof(advice), "give it: needed to %s%s%s", at->purpose,
			 at->loss ? "; without it " : "", at->loss ? at->loss : "");
		if (at->loss)
			warn(check, found, advice);
		else
			miss(check, found, advice);
	}
}

/* What traces alone need is never a reason not to run. */
static void check_probes(struct check *check)
{
	int error = probe_check();
	char text[160], advice[512];

	if (error) {
		snprintf(text, sizeof(text), "probes in programs: cannot be set: %s",
			 strerror(-error));
		snprintf(
			advice, sizeof(advice),
			"%s: needed in traces, to tell for which request a CPython program makes "
			"a call; without it threads alone tell (traces.tasks: false asks for none)",
			probe_explain(error, check->capabilities));
		warn(check, text, advice);
	} else {
		ok(check, "probes in programs: can be set, for traces");
	}
	path_first_line("/proc/sys/kernel/perf_event_paranoid", text, sizeof(text));
	ok(check,
	   "kernel.perf_event_paranoid: %s; above 2 some kernels let none but CAP_SYS_ADMIN "
	   "set probes",
	   text[0] ? text : "not there");
}

static void check_filter(struct check *check)
{
	if (privileges_filtered())
		warn(check, "seccomp: a filter is in force",
		     "it has to allow bpf(), also where the lines above say so now");
	else
		ok(check, "seccomp: no filter is in force");
}

static void check_lockdown(struct check *check)
{
	char text[128];

	path_first_line("/sys/kernel/security/lockdown", text, sizeof(text));
	if (strstr(text, "[confidentiality]"))
		miss(check, "lockdown: confidentiality, which forbids BPF to read memory",
		     "boot with lockdown=integrity or without");
	else if (text[0])
		ok(check, "lockdown: %s", text);
	else
		ok(check, "lockdown: none, or securityfs is not mounted");
	path_first_line("/proc/sys/kernel/unprivileged_bpf_disabled", text, sizeof(text));
	ok(check,
	   "kernel.unprivileged_bpf_disabled: %s; any value will do, BPF is used with privileges",
	   text[0] ? text : "not there");
}

/* From 5.11 on the memory of BPF maps is accounted to the memory cgroup. */
static void check_memlock(struct check *check)
{
	struct rlimit limit;

	if (check->version >= KERNEL(5, 11)) {
		ok(check, "RLIMIT_MEMLOCK: not used by this kernel's BPF");
		return;
	}
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= MEMLOCK_LEAST ||
	     can(check, CAP_SYS_RESOURCE)))
		ok(check, "RLIMIT_MEMLOCK: can be raised");
	else
		miss(check, "RLIMIT_MEMLOCK: too low, and may not be raised",
		     "ulimit -l unlimited, LimitMEMLOCK=infinity, or CAP_SYS_RESOURCE");
}

/* ---- surroundings ---- */

static void check_cgroups(struct check *check)
{
	struct cgroup_mount mounts[CGROUP_MOUNTS];
	size_t count = cgroup_mounts(mounts, CGROUP_MOUNTS);
	size_t i;

	for (i = 0; i < count; i++) {
		if (!mounts[i].controllers[0]) {
			ok(check, "cgroup version 2: at %s", mounts[i].point);
			return;
		}
	}
	warn(check, "cgroup version 2: not mounted here",
	     "mount it (in a container: the host's /sys/fs/cgroup), or cgroups of short-lived "
	     "processes stay unknown");
}

static void check_processes(struct check *check)
{
	if (kernel_pids())
		ok(check, "process ids: the initial namespace");
	else
		miss(check,
		     "process ids: a namespace of its own, where the kernel's ids mean nothing",
		     "hostPID: true, or --pid=host");
}

/* A process may refuse whatever our privileges, so several are asked; kernel threads have no file.
 */
static void check_proc(struct check *check)
{
	unsigned int readable = 0, refused = 0;
	char path[PATH_MAX], who[192], text[320], advice[512];
	const char *remedy;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && readable + refused < PROC_TRIES && (entry = readdir(dir))) {
		uint32_t tgid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		int err = tgid && tgid != (uint32_t)getpid() ?
				  procfs_executable(tgid, path, sizeof(path)) :
				  -ENOENT;

		readable += err == 0;
		refused += err == -EACCES || err == -EPERM;
	}
	if (dir)
		closedir(dir);
	snprintf(text, sizeof(text), "/proc of other processes: %u of %u readable", readable,
		 readable + refused);
	if (privileges_barred(who, sizeof(who), &remedy)) {
		snprintf(text, sizeof(text),
			 "/proc of other processes: %u of %u readable, though CAP_SYS_PTRACE is "
			 "held: %s lets not all be read",
			 readable, readable + refused, who);
		snprintf(advice, sizeof(advice), "%s; without it %s", remedy, PRIVILEGES_UNREAD);
		warn(check, text, advice);
	} else if (readable > 0 && refused <= readable)
		ok(check, "%s", text);
	else
		warn(check, text, "give CAP_SYS_PTRACE, and mount /proc without hidepid");
}

int check_run(FILE *out, enum config_backend backend, int (*attach)(enum config_backend))
{
	struct check check = { .out = out };
	libbpf_print_fn_t print = libbpf_set_print(NULL);

	check_kernel(&check);
	check_btf(&check);
	check_capabilities(&check);
	check_probes(&check);
	check_filter(&check);
	check_features(&check);
	check_backends(&check, backend, attach ? attach : check_attach);
	check_lockdown(&check);
	check_memlock(&check);
	check_cgroups(&check);
	check_processes(&check);
	check_proc(&check);
	fprintf(out, "%s\n",
		check.status ? "It cannot run here: see the lines that begin with miss." :
			       "It can run here.");
	btf__free(check.btf);
	libbpf_set_print(print);
	return check.status;
}
