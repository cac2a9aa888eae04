/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The yardsticks, at the places where the observer captures: programs that do nothing, and programs
 * that copy some bytes of the caller's and do nothing with them.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COPIED 64

char _license[] SEC("license") = "GPL";

/* Out of the buffer that is the second argument of read(), write(), sendto() and recvfrom(). */
static __always_inline int copy(void)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	char room[COPIED];

	bpf_probe_read_user(room, sizeof(room), (void *)PT_REGS_PARM2_SYSCALL(regs));
	return 0;
}

SEC("?tp_btf/sock_send_length")
int empty_send(void *ctx)
{
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int empty_recv(void *ctx)
{
	return 0;
}

SEC("?tp_btf/sk_data_ready")
int empty_ready(void *ctx)
{
	return 0;
}

SEC("?fexit/tcp_sendmsg")
int empty_sendmsg(void *ctx)
{
	return 0;
}

SEC("?fexit/tcp_recvmsg")
int empty_recvmsg(void *ctx)
{
	return 0;
}

SEC("?tp_btf/sock_send_length")
int copy_send(void *ctx)
{
	return copy();
}

SEC("?tp_btf/sock_recv_length")
int copy_recv(void *ctx)
{
	return copy();
}

SEC("?fexit/tcp_sendmsg")
int copy_sendmsg(void *ctx)
{
	return copy();
}

SEC("?fexit/tcp_recvmsg")
int copy_recvmsg(void *ctx)
{
	return copy();
}
