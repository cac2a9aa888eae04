/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel side: sees sockets and the calls made on them, never a protocol.
 *
 *	connect, accept, close      send, recv and their kin
 *	   socket_state.h               call_hooks.h          the hooks (hold.h: not preempted)
 *	          |                     socket_io.h           what is told of a call
 *	          \                     /       \
 *	            connection.h ------/      caller.h        state of a socket; the call's buffers
 *	               |                         |
 *	            process.h                    |            who owns it, and is it watched
 *	                \______ emit.h __________/            records into the ring buffer
 *
 *	task.h: the logical task that makes a call; task_hooks.h: where tasks come from
 *	open_sockets.h: an iterator over what was open at the start
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "event.h"
#include "kfunc.h"
#include "maps.h"
#include "hold.h"
#include "emit.h"
#include "process.h"
#include "task.h"
#include "connection.h"
#include "caller.h"
#include "range.h"
#include "frame.h"
#include "frames.h"
#include "socket_io.h"
#include "call_hooks.h"
#include "socket_state.h"
#include "open_sockets.h"
#include "task_hooks.h"

char _license[] SEC("license") = "GPL";
