/* SPDX-License-Identifier: Apache-2.0 */
/* The files mapped in a process that matter for its logical tasks. */
#ifndef ONLOOKER_MODULES_H
#define ONLOOKER_MODULES_H

#include "capture/image.h"

struct module {
	struct image image;
	int file; /* -1: there is no such module, or -errno of opening it */
	bool found;
};

struct modules {
	struct module python; /* what exports CPython's API: the executable or a library */
	struct module queue;  /* the module _queue, where it is a file of its own */
	struct module uvloop; /* the event loop */
	bool go;	      /* the executable is Go's */
};

/* Finds them; modules_close() ends it. -errno where the process cannot be looked into. */
int modules_find(struct remote *remote, struct modules *ret);
void modules_close(struct modules *modules);

#endif
