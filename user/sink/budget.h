/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many different names of one kind (routes, peers) each service may have. What was admitted
 * once stays admitted: a connection is closed under the name it was opened under.
 */
#ifndef ONLOOKER_BUDGET_H
#define ONLOOKER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_LIMIT 65536 /* names of all services together */

struct budget;

/* Budgets for identities below `identities` (at most 65536); higher ones are refused. 0 or -ENOMEM.
 */
int budget_new(size_t identities, struct budget **ret);
void budget_free(struct budget *budget);

/*
 * Whether `identity` has `limit` names, or its share of BUDGET_LIMIT (util/share.h), and so is
 * admitted no other.
 */
bool budget_full(const struct budget *budget, uint32_t identity, uint64_t limit);

/*
 * Whether `identity` may have `name`: it has it already, or is not full. With `final`, an identity
 * that was refused once is refused every new name for good, also when the limit is raised. A hash
 * look-up.
 */
bool budget_admit(struct budget *budget, uint32_t identity, uint16_t name, uint64_t limit,
		  bool final);

#endif
