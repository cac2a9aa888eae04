/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For which request of its process a call was made. What is known of a request is known when it was
 * answered, so calls are held until then; some are told of only later, so requests stay open for
 * a while.
 *
 *	call ------> held --------------- claimed by a request -----> below it
 *	              |                            ^
 *	              '- too old: nobody's         |
 *	request ---> open: claims what was done for it, and what is told of later ---> settled
 *
 * Done for it is what was begun while it was under way, by the task that answered or one that
 * descends from it, all of them born since the request was read (task/tasks.h). A task that is
 * older than the request, such as a thread, can be trusted only as long as it does one request at a
 * time. Once two were seen to be under way at once, nothing is given to requests by such tasks of
 * that kind any more in that process; nor by threads, once one of them had jobs beside its
 * requests: asked somebody and read a request before the answer, or between two requests. What
 * threads do until contexts or goroutines are found says nothing of those. No parent is better than
 * a wrong one.
 */
#ifndef ONLOOKER_CLAIMS_H
#define ONLOOKER_CLAIMS_H

#include "sink/node.h"
#include "task/tasks.h"

#define PLACES_LIMIT 1024 /* processes that serve requests; the one idle for longest goes */

struct claims;

/* Ready, without processes; `tasks` may be NULL: only threads are known. 0 or -ENOMEM. */
int claims_new(const struct tasks *tasks, struct claims **ret);

/* What is held in it is not freed. */
void claims_free(struct claims *claims);

/* The process serves requests: its calls are worth holding from now on. */
void claims_serve(struct claims *claims, const struct span_owner *owner);

bool claims_serves(struct claims *claims, const struct span_owner *owner);

/*
 * Takes a request that was answered by task `answer` (0: none). It has the calls that were made for
 * it as its children, and gets those told of later, until claims_settle().
 */
void claims_request(struct claims *claims, struct node *request, uint64_t answer);

/*
 * It gets no more calls. The first of its calls that turned out to be perhaps another's is
 * returned, the others being its `next`; NULL as a rule.
 */
struct node *claims_settle(struct claims *claims, struct node *request);

/*
 * Takes a call: it is below its request now, or held. False: its process serves no requests, or
 * there is no room: it is nobody's.
 */
bool claims_call(struct claims *claims, struct node *call);

/* The call that is held for longest, if it came before `before`: it is nobody's, and not held any
 * more. NULL: there is none. */
struct node *claims_expire(struct claims *claims, uint64_t before);

size_t claims_held(const struct claims *claims);

#endif
