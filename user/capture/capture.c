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

#include "capture/hooks.h"
#include "capture/losses.h"
#include "capture/ring.h"
#include "capture/task_setup.h"
#include "log.h"
#include "onlooker.skel.h"
#include "privileges.h"
#include "util/clock.h"

#define ITERATOR_READS 64 /* connections found between two looks at the ring */

struct capture {
	struct onlooker_bpf *skeleton;
	struct ring *ring;
	struct slot *slots;
	size_t slots_size;
	const char *backend;
	capture_handler handler;
	void *context;
};

/* ---- loading ---- */

/* Tracing programs may use socket storage since 5.11 (8e4597c627fb), like the typed helper below.
 */
static bool has_socket_storage(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "bpf_sk_storage_get_tracing", BTF_KIND_FUNC) > 0 ||
	       btf__find_by_name_kind(btf, "bpf_sk_storage_tracing_allowed", BTF_KIND_FUNC) > 0;
}

/* Nanoseconds of a jiffy: what the coarse clock moves by. */
static uint64_t tick(void)
{
	struct timespec resolution = { .tv_nsec = 4 * NSEC_PER_MSEC };

	clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
	return (uint64_t)resolution.tv_nsec;
}

#define SMALL_RING (1U << 20) /* a few calls fill it */

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
	skeleton->rodata->small_ring = limits->ring_bytes < SMALL_RING;
	bpf_map__set_max_entries(skeleton->maps.ring, limits->ring_bytes);
	bpf_map__set_max_entries(skeleton->maps.slots, limits->connections);
	bpf_map__set_max_entries(skeleton->maps.free_slots, limits->connections);
	bpf_map__set_max_entries(skeleton->maps.by_slot, limits->connections);
	if (limits->followed)
		task_setup(skeleton, limits->followed);
	if (!storage) /* sockets that are not watched have a state, too */
		bpf_map__set_max_entries(skeleton->maps.by_address, 2 * limits->connections);
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
	bool has_tracepoint = hooks_tracepoint(btf);
	bool tracepoint =
		backend == BACKEND_TRACEPOINT || (backend == BACKEND_AUTO && has_tracepoint);
	int error;

	*ret_step = "find the tracepoints of Linux 6.3 and later";
	if (tracepoint && !has_tracepoint)
		return -EOPNOTSUPP;
	*ret_step = "open the programs";
	capture->skeleton = onlooker_bpf__open();
	if (!capture->skeleton)
		return -errno;
	bpf_program__set_autoload(capture->skeleton->progs.open_sockets, true);
	bpf_program__set_autoattach(capture->skeleton->progs.open_sockets, false);
	capture->backend = tracepoint ? "tracepoint" : "fexit";
	configure(capture->skeleton, btf, limits);
	error = hooks_choose(capture->skeleton, btf, tracepoint);
	if (error)
		return error;
	*ret_step = "load the programs";
	error = onlooker_bpf__load(capture->skeleton);
	if (error)
		return error;
	*ret_step = "share the maps";
	error = share(capture, limits);
	if (error)
		return error;
	return ring_open(bpf_map__fd(capture->skeleton->maps.ring), limits->ring_bytes, on_record,
			 capture, &capture->ring);
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

/* Writes the one line for the user. */
static void tell(int result, const char *step, char *error, size_t size)
{
	char why[512] = "`onlooker check` tells what this kernel allows";

	switch (-result) {
	case EPERM:
	case EACCES:
	case ENOSYS:
		privileges_explain(why, sizeof(why));
		break;
	case ENOMEM:
		snprintf(why, sizeof(why), "lower limits.ring_bytes or limits.connections");
		break;
	case ESRCH: /* libbpf's, for no types at any of their places */
		snprintf(error, size,
			 "cannot %s: /sys/kernel/btf/vmlinux is not there; needed is a kernel with "
			 "CONFIG_DEBUG_INFO_BTF, and /sys mounted",
			 step);
		return;
	}
	snprintf(error, size, "cannot %s: %s; %s", step, strerror(-result), why);
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
		tell(result, step, error, size);
	}
	return result;
}

/* ---- starting ---- */

/* Runs the iterator once; what it finds is read from the ring as it goes. */
static int iterate(struct capture *capture, const struct bpf_link *link)
{
	int fd = bpf_iter_create(bpf_link__fd(link));
	char found[ITERATOR_READS];
	int result = fd < 0 ? -errno : 0;

	while (!result) {
		ssize_t n = read(fd, found, sizeof(found));

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			result = -errno;
		while (capture_consume(capture, NSEC_PER_SEC))
			;
		if (n == 0)
			break;
	}
	if (fd >= 0)
		close(fd);
	return result;
}

/* The iterator's passes: enum finding. */
static int find_open(struct capture *capture, unsigned int from, unsigned int to)
{
	struct bpf_link *link =
		bpf_program__attach_iter(capture->skeleton->progs.open_sockets, NULL);
	int result = 0;

	if (!link)
		return -errno;
	for (; !result && from <= to; from++) {
		capture->skeleton->bss->finding = from;
		result = iterate(capture, link);
	}
	bpf_link__destroy(link);
	return result;
}

int capture_start(struct capture *capture, char *error, size_t size)
{
	struct onlooker_bpf *skeleton = capture->skeleton;
	const char *step = "attach the programs";
	int result = 0;

	/* Ends are told of before what is open is looked for, so that none is missed. */
	skeleton->links.socket_state = bpf_program__attach(skeleton->progs.socket_state);
	if (!skeleton->links.socket_state)
		result = -errno;
	if (!result) {
		step = "look for open connections";
		result = find_open(capture, FINDING_LISTENERS, FINDING_CONNECTIONS);
	}
	if (!result) {
		step = "attach the programs";
		result = hooks_attach(skeleton);
	}
	if (!result) {
		step = "look for open connections";
		result = find_open(capture, FINDING_YOUNG, FINDING_YOUNG);
		skeleton->bss->all_found = true;
	}
	if (result)
		tell(result, step, error, size);
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

void capture_follow(const struct capture *capture, struct follow_kernel *ret)
{
	task_kernel(capture->skeleton, ret);
}

struct slot *capture_slots(const struct capture *capture)
{
	return capture->slots;
}

/* The kernel side may be writing it: what is the same twice is whole. */
bool capture_noted(const struct capture *capture, uint32_t slot, struct read_note *ret)
{
	int fd = bpf_map__fd(capture->skeleton->maps.by_slot);
	struct carried once, again;

	if (bpf_map_lookup_elem(fd, &slot, &once) || !once.note.moved ||
	    bpf_map_lookup_elem(fd, &slot, &again) ||
	    memcmp(&once.note, &again.note, sizeof(once.note)) != 0)
		return false;
	*ret = once.note;
	return true;
}

void capture_release(struct capture *capture, uint32_t slot)
{
	bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.free_slots), NULL, &slot, BPF_ANY);
}

void capture_losses(const struct capture *capture, uint64_t ret[CAPTURE_LOSSES])
{
	losses_read(capture->skeleton, ret);
}
