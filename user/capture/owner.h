/* SPDX-License-Identifier: Apache-2.0 */
/* To whom a cgroup belongs, told from its path: a systemd service, a container, a pod. */
#ifndef ONLOOKER_OWNER_H
#define ONLOOKER_OWNER_H

#define OWNER_SERVICE_SIZE 256
#define OWNER_CONTAINER_SIZE 65
#define OWNER_POD_SIZE 37

struct owner {
	char service[OWNER_SERVICE_SIZE];     /* without ".service"; "": none, or in a container */
	char container[OWNER_CONTAINER_SIZE]; /* 64 hexadecimal digits, or "" */
	char pod[OWNER_POD_SIZE];	      /* the pod's uid, with dashes, or "" */
};

/*
 * Reads the lines of /proc/PID/cgroup ("ID:CONTROLLERS:PATH"). Any hierarchy may know: on version
 * 1 they differ. The innermost owner counts, except that a pod's container owns all within it; a
 * user's session manager (user@.service) is nobody's service. Never fails: what is not told is "".
 */
void owner_read(const char *cgroups, struct owner *ret);

#endif
