/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capture/ring.h"
#include "log.h"
#include "onlooker.skel.h"
#include "util/clock.h"

struct capture {
	struct onlooker_bpf *skeleton;
	struct ring *ring;
	struct slot *slots;
	size_t slots_size;
	const char *backend;
	capture_handler handler;
	void *context;
};

/* ---- which programs this kernel takes ---- */

/* The number of a kernel function's parameters; -ENOENT where there is no such function. */
static int parameters(const struct btf *btf, const char *function)
{
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);

	if (id < 0)
		return -ENOENT;
	return btf_vlen(btf__type_by_id(btf, btf__type_by_id(btf, id)->type));
}

static bool has_tracepoint(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "btf_trace_sock_send_length", BTF_KIND_TYPEDEF) > 0;
}

static void choose_tracepoint(struct onlooker_bpf *skeleton)
{
	bpf_program__set_autoload(skeleton->progs.tracepoint_send, true);
	bpf_program__set_autoload(skeleton->progs.tracepoint_recv, true);
	bpf_program__set_autoload(skeleton->progs.tracepoint_ready, true);
}

static void choose_fexit(struct onlooker_bpf *skeleton, const struct btf *btf)
{
	struct {
		struct bpf_program *program;
		const char *function;
		int parameters; /* that the program was written for */
	} candidates[] = {
		{ skeleton->progs.fexit_tcp_send, "tcp_sendmsg", 3 },
		{ skeleton->progs.fexit_tcp_sendpage, "tcp_sendpage", 5 },
		{ skeleton->progs.fexit_tcp_recv_6, "tcp_recvmsg", 6 },
		{ skeleton->progs.fexit_tcp_recv_5, "tcp_recvmsg", 5 },
		{ skeleton->progs.fexit_tcp_recv_4, "tcp_recvmsg", 4 },
		{ skeleton->progs.fexit_tcp_splice, "tcp_splice_read", 5 },
		{ skeleton->progs.fexit_unix_send, "unix_stream_sendmsg", 3 },
		{ skeleton->progs.fexit_unix_recv, "unix_stream_recvmsg", 4 },
		{ skeleton->progs.fexit_unix_sendpage, "unix_stream_sendpage", 5 },
		{ skeleton->progs.fexit_unix_splice, "unix_stream_splice_read", 5 },
	};

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		if (parameters(btf, candidates[i].function) == candidates[i].parameters)
			bpf_program__set_autoload(candidates[i].program, true);
	}
}

/* Tracing programs may use socket storage since 5.11 (8e4597c627fb), like the typed helper below.
 */
static bool has_socket_storage(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "bpf_sk_storage_get_tracing", BTF_KIND_FUNC) > 0 ||
	       btf__find_by_name_kind(btf, "bpf_sk_storage_tracing_allowed", BTF_KIND_FUNC) > 0;
}

/* ---- loading ---- */

/* Nanoseconds of a jiffy: what the coarse clock moves by. */
static uint64_t tick(void)
{
	struct timespec resolution = { .tv_nsec = 4 * NSEC_PER_MSEC };

	clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
	return (uint64_t)resolution.tv_nsec;
}

/* A wake-up for each sixteenth of the ring, but no more than seldom: 256 KB. */
static uint32_t wake_shift(uint64_t ring_bytes)
{
	uint32_t shift = 18;

	while (shift > 12 && (16ULL << shift) > ring_bytes)
		shift--;
	return shift;
}

static void configure(struct onlooker_bpf *skeleton, const struct btf *btf,
		      const struct config_limits *limits)
{
	bool storage = has_socket_storage(btf);

	skeleton->rodata->socket_storage = storage;
	skeleton->rodata->own_tgid = getpid();
	skeleton->rodata->tick_ns = tick();
	skeleton->rodata->wake_shift = wake_shift(limits->ring_bytes);
	bpf_map__set_max_entries(skeleton->maps.ring, limits->ring_bytes);
	bpf_map__set_max_entries(skeleton->maps.slots, limits->connections);
	bpf_map__set_max_entries(skeleton->maps.free_slots, limits->connections);
	if (!storage)
		bpf_map__set_max_entries(skeleton->maps.by_address, limits->connections);
}

static int share(struct capture *capture, const struct config_limits *limits)
{
	int fd = bpf_map__fd(capture->skeleton->maps.free_slots);
	void *slots;

	capture->slots_size = limits->connections * sizeof(struct slot);
	slots = mmap(NULL, capture->slots_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(capture->skeleton->maps.slots), 0);
	if (slots == MAP_FAILED)
		return -errno;
	capture->slots = slots;
	for (uint32_t i = limits->connections; i-- > 0;) {
		if (bpf_map_update_elem(fd, NULL, &i, BPF_ANY))
			return -errno;
	}
	return 0;
}

static void on_record(void *context, const void *record, size_t size)
{
	struct capture *capture = context;

	capture->handler(capture->context, record, size);
}

static int load(struct capture *capture, enum config_backend backend, const struct btf *btf,
		const struct config_limits *limits, const char **ret_step)
{
	bool tracepoint =
		backend == BACKEND_TRACEPOINT || (backend == BACKEND_AUTO && has_tracepoint(btf));
	int error;

	*ret_step = "find the tracepoints of Linux 6.3 and later";
	if (tracepoint && !has_tracepoint(btf))
		return -EOPNOTSUPP;
	*ret_step = "open the programs";
	capture->skeleton = onlooker_bpf__open();
	if (!capture->skeleton)
		return -errno;
	if (tracepoint)
		choose_tracepoint(capture->skeleton);
	else
		choose_fexit(capture->skeleton, btf);
	capture->backend = tracepoint ? "tracepoint" : "fexit";
	configure(capture->skeleton, btf, limits);
	*ret_step = "load the programs";
	error = onlooker_bpf__load(capture->skeleton);
	if (error)
		return error;
	*ret_step = "share the maps";
	error = share(capture, limits);
	if (error)
		return error;
	error = ring_open(bpf_map__fd(capture->skeleton->maps.ring), limits->ring_bytes, on_record,
			  capture, &capture->ring);
	if (error)
		return error;
	*ret_step = "attach the programs";
	return onlooker_bpf__attach(capture->skeleton);
}

/* What libbpf says is for whoever looks into a failure: the error line names the step already. */
static int print_debug(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[1024];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("onlooker.capture", "%s", text);
	return 0;
}

static const char *advice(int error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
		return "run as root or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; "
		       "`onlooker check` tells what is missing";
	case ENOMEM:
		return "lower limits.ring_bytes or limits.connections";
	default:
		return "`onlooker check` tells what this kernel allows";
	}
}

int capture_open(enum config_backend backend, const struct config_limits *limits,
		 capture_handler handler, void *context, struct capture **ret, char *error,
		 size_t size)
{
	const char *step = "read the kernel's types";
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct capture *capture = calloc(1, sizeof(*capture));
	struct btf *btf = NULL;
	int result = -ENOMEM;

	if (!capture)
		goto out;
	libbpf_set_print(print_debug);
	capture->handler = handler;
	capture->context = context;
	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* before 5.11 maps are charged to it */
	btf = btf__load_vmlinux_btf();
	if (!btf) {
		result = -errno;
		goto out;
	}
	result = load(capture, backend, btf, limits, &step);
	if (!result)
		*ret = capture;
out:
	btf__free(btf);
	if (result) {
		capture_close(capture);
		snprintf(error, size, "cannot %s: %s; %s", step, strerror(-result), advice(result));
	}
	return result;
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	ring_close(capture->ring);
	if (capture->slots)
		munmap(capture->slots, capture->slots_size);
	onlooker_bpf__destroy(capture->skeleton);
	free(capture);
}

/* ---- in use ---- */

const char *capture_backend(const struct capture *capture)
{
	return capture->backend;
}

int capture_fd(const struct capture *capture)
{
	return bpf_map__fd(capture->skeleton->maps.ring);
}

bool capture_consume(struct capture *capture, uint64_t budget)
{
	return ring_consume(capture->ring, clock_now() + budget);
}

void capture_watch(struct capture *capture, const struct watch_config *watch)
{
	struct watch_config *shared = &capture->skeleton->bss->watch;
	uint32_t generation = watch->generation;

	/* The generation last: until it changes, the kernel side judges nothing anew. */
	memcpy(shared->port, watch->port, sizeof(shared->port));
	shared->include = watch->include;
	shared->exclude = watch->exclude;
	shared->ported = watch->ported;
	shared->rules = watch->rules;
	__atomic_store_n(&shared->generation, generation, __ATOMIC_RELEASE);
}

int capture_judge(struct capture *capture, const struct process_key *key,
		  const struct process_watch *verdict)
{
	int fd = bpf_map__fd(capture->skeleton->maps.processes);

	return bpf_map_update_elem(fd, key, verdict, BPF_ANY) ? -errno : 0;
}

bool capture_judged(const struct capture *capture, const struct process_key *key,
		    struct process_watch *ret)
{
	return bpf_map_lookup_elem(bpf_map__fd(capture->skeleton->maps.processes), key, ret) == 0;
}

struct slot *capture_slots(const struct capture *capture)
{
	return capture->slots;
}

void capture_release(struct capture *capture, uint32_t slot)
{
	bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.free_slots), NULL, &slot, BPF_ANY);
}

/* Missed runs of a program; 0 where the kernel does not count them (before 5.12). */
static uint64_t missed(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_program__fd(program);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return 0;
	return info.recursion_misses;
}

void capture_losses(const struct capture *capture, uint64_t ret[CAPTURE_LOSSES])
{
	struct bpf_program *program;

	for (int i = 0; i < LOSS_COUNTED; i++)
		ret[i] = capture->skeleton->bss->losses[i];
	ret[CAPTURE_LOSS_RECURSION] = 0;
	bpf_object__for_each_program(program, capture->skeleton->obj) ret[CAPTURE_LOSS_RECURSION] +=
		missed(program);
}
