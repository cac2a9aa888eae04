/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program may do: which capabilities it needs and for what, which of them it keeps once it
 * observes, and how it gives the others up.
 *
 *	start: CAP_BPF CAP_PERFMON ...  -> load, attach, listen -> privileges_reduce() -> confine()
 */
#ifndef ONLOOKER_PRIVILEGES_H
#define ONLOOKER_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is lost where other processes' /proc is not to be read; after "without it". */
#define PRIVILEGES_UNREAD                                                                 \
	"their programs are named by what the kernel side sees of them or by their main " \
	"thread, workers not after who started them, and traces know no logical tasks"

struct privilege {
	unsigned int capability; /* its number, linux/capability.h */
	const char *name;
	const char *purpose; /* what it is needed to do */
	const char *loss;    /* what is lost without; NULL: nothing works without */
	bool kept;	     /* used in operation too, not only at the start */
};

/* Everything that is of use, what nothing works without first. Ends with name NULL. */
extern const struct privilege privileges[];

/* The calling thread's effective capabilities, a bit for each; 0 where they cannot be told. */
uint64_t privileges_held(void);

/* Whether `held` has the capability, or CAP_SYS_ADMIN where the kernel takes that for it. */
bool privileges_suffice(uint64_t held, unsigned int capability);

/* Whether a seccomp filter is in force for the calling thread. */
bool privileges_filtered(void);

/*
 * Whether processes are kept from being read though CAP_SYS_PTRACE is held: by a security module's
 * confinement. Told by trying; single processes may be protected whatever we are. Then `who` is
 * what does it, "AppArmor's profile NAME (enforce)", cut to `size`, and *ret_advice what to do.
 */
bool privileges_barred(char *who, size_t size, const char **ret_advice);

/*
 * Why the kernel may have refused (EPERM, EACCES, ENOSYS) to load or attach, as a text without a
 * full stop: "CAP_PERFMON is missing: needed to ...", or what else may stand in the way.
 */
void privileges_explain(char *ret, size_t size);

/*
 * What has to be held beside those that are `kept` for processes to come to be probed, a bit for
 * each: none, CAP_PERFMON or, where the kernel asks for that, CAP_SYS_ADMIN. Told by trying, which
 * takes the kernel tenths of a second: not where records wait to be read.
 */
uint64_t privileges_for_probes(void);

/*
 * Gives up, for good, what is not needed in operation: new privileges by execve(), and every
 * capability that is neither `kept` nor in `beside`, in all five sets; confine() leaves little to
 * do with the latter. CAP_BPF is kept where the kernel asks for it to use a map that is open. Call
 * it from the only thread. 0, or -errno of the first step that was refused; the others are done all
 * the same. *ret_kept: the capabilities that are still held.
 */
int privileges_reduce(uint64_t beside, uint64_t *ret_kept);

/* The names of a set, "CAP_BPF CAP_PERFMON", cut to `size`; others by number. */
void privileges_list(uint64_t set, char *ret, size_t size);

#endif
