/* SPDX-License-Identifier: GPL-2.0 */
/* The yardstick: programs that do nothing, at the places where the observer captures. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

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
