/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "capture/preempt.h"
#include "event.h"
#include "log.h"
#include "onlooker.skel.h"

/* A program for a kernel function that has so many parameters. */
struct candidate {
	struct bpf_program *program;
	const char *function;
	int parameters;
};

/* The number of a kernel function's parameters; -ENOENT where there is no such function. */
static int parameters(const struct btf *btf, const char *function)
{
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);

	if (id < 0)
		return -ENOENT;
	return btf_vlen(btf__type_by_id(btf, btf__type_by_id(btf, id)->type));
}

bool hooks_tracepoint(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "btf_trace_sock_send_length", BTF_KIND_TYPEDEF) > 0;
}

static void choose(const struct candidate *candidate, const struct btf *btf)
{
	for (; candidate->function; candidate++) {
		if (parameters(btf, candidate->function) == candidate->parameters)
			bpf_program__set_autoload(candidate->program, true);
	}
}

/* Whether the kernel loads a program for that function's exit: hardened ones refuse. */
static bool takes_fexit(const struct btf *btf, const char *function)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FEXIT);
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC), fd;

	if (id < 0)
		return false;
	options.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "GPL", nothing, 2, &options);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* No tracepoint tells of a splice() that reads. */
static void choose_splice(struct onlooker_bpf *skeleton, const struct btf *btf)
{
	const struct candidate candidates[] = {
		{ skeleton->progs.fexit_tcp_splice, "tcp_splice_read", 5 },
		{ skeleton->progs.fexit_unix_splice, "unix_stream_splice_read", 5 },
		{ 0 },
	};

	choose(candidates, btf);
}

static void choose_tracepoint(struct onlooker_bpf *skeleton)
{
	bpf_program__set_autoload(skeleton->progs.tracepoint_send, true);
	bpf_program__set_autoload(skeleton->progs.tracepoint_recv, true);
	bpf_program__set_autoload(skeleton->progs.tracepoint_ready, true);
	bpf_program__set_autoattach(skeleton->progs.fexit_tcp_splice, false);
	bpf_program__set_autoattach(skeleton->progs.fexit_unix_splice, false);
}

static void choose_fexit(struct onlooker_bpf *skeleton, const struct btf *btf)
{
	const struct candidate candidates[] = {
		{ skeleton->progs.fexit_tcp_send, "tcp_sendmsg", 3 },
		{ skeleton->progs.fexit_tcp_sendpage, "tcp_sendpage", 5 },
		{ skeleton->progs.fexit_tcp_recv_6, "tcp_recvmsg", 6 },
		{ skeleton->progs.fexit_tcp_recv_5, "tcp_recvmsg", 5 },
		{ skeleton->progs.fexit_tcp_recv_4, "tcp_recvmsg", 4 },
		{ skeleton->progs.fexit_unix_send, "unix_stream_sendmsg", 3 },
		{ skeleton->progs.fexit_unix_recv, "unix_stream_recvmsg", 4 },
		{ skeleton->progs.fexit_unix_sendpage, "unix_stream_sendpage", 5 },
		{ 0 },
	};

	choose(candidates, btf);
}

/* Where programs can be preempted: holds that off, and adds the second ones (bpf/hold.h). */
static int choose_preempt(struct onlooker_bpf *skeleton, const struct btf *btf, bool tracepoint)
{
	bool matters = preempt_matters(btf, tracepoint);

	skeleton->rodata->preemptible = matters;
	if (!matters) {
		bpf_map__set_max_entries(skeleton->maps.handled, 1);
		return 0;
	}
	bpf_program__set_autoload(skeleton->progs.again_send, hooks_tracepoint(btf));
	bpf_program__set_autoload(skeleton->progs.again_recv, hooks_tracepoint(btf));
	return preempt_prepare(skeleton->obj, btf);
}

int hooks_choose(struct onlooker_bpf *skeleton, const struct btf *btf, bool tracepoint)
{
	if (tracepoint)
		choose_tracepoint(skeleton);
	else
		choose_fexit(skeleton, btf);
	if (!tracepoint || takes_fexit(btf, "tcp_splice_read"))
		choose_splice(skeleton, btf);
	return choose_preempt(skeleton, btf, tracepoint);
}

/* Kernels built without ftrace have loaded it all the same. */
static bool try(const struct bpf_program *program, struct bpf_link **link)
{
	if (!*link && bpf_program__fd(program) >= 0)
		*link = bpf_program__attach(program);
	return *link;
}

int hooks_attach(struct onlooker_bpf *skeleton)
{
	int result = onlooker_bpf__attach(skeleton);
	bool tcp, both;

	if (result)
		return result;
	tcp = try(skeleton->progs.fexit_tcp_splice, &skeleton->links.fexit_tcp_splice);
	both = try(skeleton->progs.fexit_unix_splice, &skeleton->links.fexit_unix_splice) && tcp;
	if (!both)
		log_info("onlooker.capture", "this kernel does not tell of splice() that reads");
	return 0;
}
