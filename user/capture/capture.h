/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side's handle: loads and attaches it, reads its ring buffer, and reaches the maps that
 * both sides share (event.h). Event-loop thread only.
 */
#ifndef ONLOOKER_CAPTURE_H
#define ONLOOKER_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "event.h"

struct capture;
struct follow_kernel;

/* Takes one record; it is the ring's own memory and dies with the call. */
typedef void (*capture_handler)(void *context, const struct event_head *record, size_t size);

enum capture_loss {
	CAPTURE_LOSS_RECURSION = LOSS_COUNTED, /* calls that hit while the same program ran */
	CAPTURE_LOSSES,
};

/*
 * Loads the backend asked for (BACKEND_AUTO: the best this kernel has) with `limits`. Nothing is
 * attached before capture_start(). -errno: `error` says in one line what failed and what would
 * help. capture_close() ends it.
 */
int capture_open(enum config_backend backend, const struct config_limits *limits,
		 capture_handler handler, void *context, struct capture **ret, char *error,
		 size_t size);
void capture_close(struct capture *capture);

/*
 * Attaches, after capture_watch(), and tells first of the connections that are open already: the
 * handler is called. -errno and `error` as above; nothing stays attached after capture_close().
 */
int capture_start(struct capture *capture, char *error, size_t size);

/* "tracepoint" or "fexit". */
const char *capture_backend(const struct capture *capture);

/*
 * Tells of wake-ups, which are sent only while records come in fast; to be watched edge-triggered:
 * between them records are no news. Otherwise look every few milliseconds.
 */
int capture_fd(const struct capture *capture);

/* Hands on what is in the ring, for at most `budget` ns. True: some is left. */
bool capture_consume(struct capture *capture, uint64_t budget);

/* Puts a set of rules in force; its generation must differ from the one before, and from 0. */
void capture_watch(struct capture *capture, const struct watch_config *watch);

/* Tells the kernel side what it asked by EVENT_PROCESS. 0 or -errno. */
int capture_judge(struct capture *capture, const struct process_key *key,
		  const struct process_watch *verdict);

/* What it was told; false where the process is not known. */
bool capture_judged(const struct capture *capture, const struct process_key *key,
		    struct process_watch *ret);

/* What follow_new() needs, where limits->followed is not 0; good until capture_close(). */
void capture_follow(const struct capture *capture, struct follow_kernel *ret);

/* The verdicts by slot, limits->connections of them, shared with the kernel side. */
struct slot *capture_slots(const struct capture *capture);

/* The call that read last on a slot's connection, if nothing has told of it yet. A system call. */
bool capture_noted(const struct capture *capture, uint32_t slot, struct read_note *ret);

/* Gives a slot back whose connection is over. */
void capture_release(struct capture *capture, uint32_t slot);

/* What was lost so far, by enum loss_reason below LOSS_COUNTED and enum capture_loss. */
void capture_losses(const struct capture *capture, uint64_t ret[CAPTURE_LOSSES]);

#endif
