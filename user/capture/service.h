/* SPDX-License-Identifier: Apache-2.0 */
/* What service a process belongs to: its systemd service, or the program it runs. */
#ifndef ONLOOKER_SERVICE_H
#define ONLOOKER_SERVICE_H

#include <stdint.h>

#include "capture/owner.h"
#include "capture/program.h"
#include "event.h"

struct service_reader;

/* Owns the room that reading a process takes. 0 or -ENOMEM; service_reader_free() ends it. */
int service_reader_new(struct service_reader **ret);
void service_reader_free(struct service_reader *reader);

/*
 * Reads /proc, or the kernel's record `hint` (may be NULL) where the process is gone. 0: ret_name
 * is valid UTF-8 without control characters, perhaps "", and *ret_owner tells of its container.
 * -ENOENT: the process is gone and there is no hint.
 */
int service_read(struct service_reader *reader, uint32_t tgid, const struct event_process *hint,
		 char ret_name[PROGRAM_NAME_SIZE], struct owner *ret_owner);

#endif
